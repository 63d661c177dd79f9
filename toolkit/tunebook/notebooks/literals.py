"""Literals in Python source: written as a person would, and replaced where they stand."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

WIDTH = 100
"""Signs of a line; a longer list or mapping gets a line for each of its items."""


def literal(value: Any, *, before: int = 0) -> str:
    """Returns Python source of a JSON value, `before` signs into its line."""
    flat = _flat(value)
    if before + len(flat) <= WIDTH or not isinstance(value, list | dict) or not value:
        return flat
    pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    rows = [f"    {_item(key, item)},\n" for key, item in pairs]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{''.join(rows)}{last}"


def with_values(source: str, values: Mapping[str, Any]) -> str:
    """Returns the source of a parameters cell with other values.

    Comments, order, annotations and all that keeps its value stay as they are; of a mapping that
    means its entries.

    Args:
        source: Assignments of literals.
        values: By name; each is assigned in `source`.
    """
    data, nodes = source.encode("utf-8"), dict(_assigned(ast.parse(source)))
    place = _Places(data)
    for entry_by_entry in (True, False):
        edits = [
            edit
            for name, value in values.items()
            for edit in _edits(nodes[name], value, place, entry_by_entry=entry_by_entry)
        ]
        changed = _applied(data, edits)
        if _reads_as(changed, values):
            return changed
    raise AssertionError(f"cannot rewrite {source!r}")  # a whole value can always be replaced


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(_item(key, item) for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if not isinstance(value, str):
        return repr(value)
    quoted = json.dumps(value, ensure_ascii=False)  # Python has all escapes of JSON
    return quoted if quoted.isprintable() else ascii(value)


def _item(key: str | None, value: Any) -> str:
    return _flat(value) if key is None else f"{_flat(key)}: {_flat(value)}"


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            target: ast.expr = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            target = statement.target
        else:
            continue
        if isinstance(target, ast.Name) and statement.value:
            yield target.id, statement.value


class _Places:
    """Offsets of nodes, which Python counts in lines and bytes."""

    def __init__(self, data: bytes) -> None:
        self._starts = [0, *(match.end() for match in re.finditer(rb"\r\n|\r|\n", data))]

    def start(self, node: ast.expr) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset


_Edit = tuple[int, int, str]
"""Begin, end, and the text to put there."""


def _edits(node: ast.expr, value: Any, place: _Places, *, entry_by_entry: bool) -> Iterator[_Edit]:
    if same_value(ast.literal_eval(node), value):
        return
    if entry_by_entry and isinstance(node, ast.Dict) and node.keys and isinstance(value, dict):
        pairs = zip(node.keys, node.values, strict=True)
        old = {ast.literal_eval(key): item for key, item in pairs if key}
        if old.keys() <= value.keys():
            for key, item in old.items():
                yield from _edits(item, value[key], place, entry_by_entry=True)
            new = "".join(f", {_item(key, value[key])}" for key in value if key not in old)
            end = place.end(node.values[-1])
            yield end, end, new
            return
    yield place.start(node), place.end(node), literal(value, before=node.col_offset)


def _applied(data: bytes, edits: list[_Edit]) -> str:
    # from the last to the first, so that places stay true
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text.encode("utf-8") + data[end:]
    return data.decode("utf-8")


def _reads_as(source: str, values: Mapping[str, Any]) -> bool:
    try:
        nodes = dict(_assigned(ast.parse(source)))
        read = {name: ast.literal_eval(nodes[name]) for name in values}
    except (SyntaxError, ValueError, KeyError):
        return False
    return same_value(read, dict(values))


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type throughout: `1`, `1.0` and `True` are not."""
    return bool(one == other) and _same_types(one, other)


def _same_types(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_same_types(one[key], other[key]) for key in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return all(map(_same_types, one, other))
    return type(one) is type(other)
