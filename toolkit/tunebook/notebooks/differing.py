"""What differs between two notebooks, cell by cell, whatever running them has left."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunebook.errors import ConfigError
from tunebook.notebooks.files import NotebookFile
from tunebook.notebooks.literals import same_value
from tunebook.notebooks.parameters import cell_source, cell_tags, listed_parameters
from tunebook.notebooks.setting import Change

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class CellChange:
    """What became of one cell.

    Attributes:
        id: Its id; without one, its kind and the beginning of its source.
        change: added, removed, changed or moved.
        kind: code, markdown or raw.
        lines: The lines of a unified diff of its source.
        tags: Tags that came (`+tag`) and went (`-tag`).
    """

    id: str
    change: str
    kind: str
    lines: Sequence[str] = ()
    tags: Sequence[str] = ()


@dataclass(frozen=True)
class Differences:
    """Everything that differs: cells in the order of the second notebook, and parameters."""

    cells: Sequence[CellChange] = ()
    parameters: Mapping[str, Change] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.cells or self.parameters)


def differences(one: NotebookFile, other: NotebookFile) -> Differences:
    """Returns what has to change in `one` to get `other`: sources, kinds, tags, order, parameters.

    Cells are the same where their ids are; outputs and counts are not looked at.
    """
    before, after = _by_id(one.content["cells"]), _by_id(other.content["cells"])
    return Differences([*_changes(before, after)], _parameters(one, other))


def _changes(before: Mapping[str, Cell], after: Mapping[str, Cell]) -> Iterator[CellChange]:
    moved = _moved([*before], [*after])
    for name, cell in before.items():
        if name not in after:
            yield CellChange(name, "removed", _kind(cell), _lines(cell, {}), _tags(cell, {}))
    for name, cell in after.items():
        old = before.get(name, {})
        lines, tags = _lines(old, cell), _tags(old, cell)
        if name not in before:
            yield CellChange(name, "added", _kind(cell), lines, tags)
        elif lines or tags or _kind(old) != _kind(cell):
            yield CellChange(name, "changed", _kind(cell), lines, tags)
        elif name in moved:
            yield CellChange(name, "moved", _kind(cell))


def _by_id(cells: Sequence[Cell]) -> dict[str, Cell]:
    """Returns cells by id. Of the same id the second gets a number; without one a cell is known by
    its source, so that it matches where it is unchanged."""
    seen: Counter[str] = Counter()
    named = {}
    for cell in cells:
        given = cell.get("id")
        name = given if isinstance(given, str) else f"{_kind(cell)}: {cell_source(cell)[:40]!r}"
        seen[name] += 1
        named[name if seen[name] == 1 else f"{name} ({seen[name]})"] = cell
    return named


def _moved(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """Returns the names in both that are not in the order that they had."""
    both = {*before} & {*after}
    old, new = ([name for name in names if name in both] for names in (before, after))
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    in_order = {name for block in blocks for name in old[block.a : block.a + block.size]}
    return {*new} - in_order


def _lines(old: Cell, new: Cell) -> list[str]:
    pair = (cell_source(old).splitlines(), cell_source(new).splitlines())
    return [*difflib.unified_diff(*pair, lineterm="", n=1)][2:]


def _tags(old: Cell, new: Cell) -> list[str]:
    before, after = map(str, cell_tags(old)), map(str, cell_tags(new))
    was, now = {*before}, {*after}
    return [f"-{tag}" for tag in sorted(was - now)] + [f"+{tag}" for tag in sorted(now - was)]


def _kind(cell: Cell) -> str:
    return str(cell.get("cell_type"))


def _parameters(one: NotebookFile, other: NotebookFile) -> dict[str, Change]:
    """Returns the parameters whose values differ; one that isn't there is None."""
    before, after = _listed(one), _listed(other)
    names = [*dict.fromkeys([*before, *after])]
    return {
        name: Change(before.get(name), after.get(name))
        for name in names
        if (name in before) != (name in after) or not same_value(before.get(name), after.get(name))
    }


def _listed(file: NotebookFile) -> dict[str, Any]:
    try:
        return listed_parameters(file.path, file.content)
    except ConfigError:  # a notebook without parameters can be compared all the same
        return {}
