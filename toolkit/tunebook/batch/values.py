"""How the values of a parameter are written: `1..5`, `lora,adapter`, lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunebook.errors import ConfigError, Problem

RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
LONGEST_RANGE = 100_000
PAIRS = {"[": "]", "{": "}", '"': '"'}


def parse_values(where: str, text: str) -> list[Any]:
    """Returns the values in a text of the command line: ``1..5``, ``a,b``, ``[1,2],[3]``.

    A part that isn't JSON is text, as in ``-p``.

    Raises:
        ConfigError: There is none, or a range that cannot be counted.
    """
    values = [value for part in _parts(text) for value in _values(where, part)]
    if not values or any(value == "" for value in values):
        raise ConfigError(
            Problem("plan.no_values", where, "values such as 1..5 or a,b", f"`{text}`", "add some")
        )
    return values


def values_of(where: str, value: Any) -> list[Any]:
    """Returns the values that a plan file says: a list as it is, a range, or one value alone.

    Raises:
        ConfigError: It is an empty list, or a range that cannot be counted.
    """
    if isinstance(value, list):
        if not value:
            raise ConfigError(
                Problem("plan.no_values", where, "at least one value", "none", "add some")
            )
        return value
    return [*_range(where, value)] if isinstance(value, str) and RANGE.fullmatch(value) else [value]


def parse_axes(option: str, items: Sequence[str]) -> dict[str, list[Any]]:
    """Returns ``KEY=VALUES`` items as a mapping.

    Raises:
        ConfigError: With every item that is none, and every key that comes twice.
    """
    axes: dict[str, list[Any]] = {}
    problems: list[Problem] = []
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            fix = f"write {option} seed=1..3"
            problems.append(Problem("plan.form", option, "KEY=VALUES", f"`{item}`", fix))
        elif key in axes:
            problems.append(Problem("plan.twice", option, "each key once", f"`{key}`", "drop one"))
        else:
            try:
                axes[key] = parse_values(f"{option} {key}", text)
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return axes


def canonical(content: Any) -> str:
    """Returns JSON that doesn't depend on the order of keys."""
    return json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def in_words(parameters: Mapping[str, Any]) -> str:
    """Returns parameters as one types them: ``strategy=lora seed=1``."""
    return " ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in parameters.items()
    )


def _values(where: str, part: str) -> list[Any]:
    if RANGE.fullmatch(part):
        return [*_range(where, part)]
    try:
        return [json.loads(part)]
    except ValueError:
        return [part]


def _range(where: str, text: str) -> Iterator[int]:
    match = RANGE.fullmatch(text)
    assert match is not None
    first, last = int(match[1]), int(match[2])
    step = int(match[3] or (1 if last >= first else -1))
    if step == 0 or (last - first) * step < 0 or abs(last - first) // abs(step) > LONGEST_RANGE:
        fix = "write FIRST..LAST or FIRST..LAST..STEP, with a step that leads there"
        expected = f"a range of at most {LONGEST_RANGE:,} numbers"
        raise ConfigError(Problem("plan.range", where, expected, f"`{text}`", fix))
    return iter(range(first, last + (1 if step > 0 else -1), step))


def _parts(text: str) -> list[str]:
    """Splits at commas, but for those within brackets, braces or quotes."""
    parts, previous = [""], ""
    closing: list[str] = []
    for sign in text:
        if closing and sign == closing[-1] and not (sign == '"' and previous == "\\"):
            closing.pop()
        elif sign in PAIRS and not (closing and closing[-1] == '"'):
            closing.append(PAIRS[sign])
        if sign == "," and not closing:
            parts.append("")
        else:
            parts[-1] += sign
        previous = sign
    return [part.strip() for part in parts]
