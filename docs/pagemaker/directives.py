"""What written pages leave to be filled in, so that no fact stands in two places.

A line ``<!-- strategy: lora -->`` becomes what the plugin says of itself,
``<!-- measured: lora -->`` its rows of docs/strategies.md, and ``<!-- readme: Measured -->`` a
section of the README.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pagemaker.markdown import papers, relink, section, table, tables
from pagemaker.places import DOCS, ROOT, bundled
from tunebook.reference import reference

DIRECTIVE = re.compile(r"^<!-- (\w+): (.+?) -->$", re.MULTILINE)
SIZES = ("8 texts a class", "32 texts a class", "128 texts a class")
"""Headings of docs/strategies.md with the same strategies below each."""
TOLD = ("macro-F1, mean", "minus TF-IDF", "minus full", "trained", "peak memory")
"""Columns that are shown."""


def expand(text: str) -> str:
    """Returns the text with its directives carried out.

    Raises:
        KeyError: There is no such directive, strategy or section.
    """
    return DIRECTIVE.sub(lambda found: DIRECTIVES[found[1]](found[2]), text)


def _strategies(names: str) -> str:
    return "\n\n".join(_strategy(name) for name in names.split(", "))


def _strategy(name: str) -> str:
    """Returns what a strategy says of itself."""
    known = reference(bundled(), name)
    rows = [
        ("when", known["when"]),
        ("cost", known["cost"]),
        ("works with", known["where"]),
        ("paper", papers(known["paper"])),
        ("settings", f"[`{name}`](../reference/strategies.md#{name})"),
    ]
    return table((f"`{name}`", known["summary"]), rows)


def _measured(names: str) -> str:
    """Returns the measured rows of strategies, those of each size after another."""
    text = (DOCS / "strategies.md").read_text(encoding="utf-8")
    wanted = [f"`{name}`" for name in names.split(", ")]
    rows = [
        [size.split()[0], name, *(cells[column] for column in TOLD)]
        for size in SIZES
        for name in wanted
        for cells in [_rows(text, size)[name]]
    ]
    shown = table(("texts a class", "strategy", *TOLD), rows)
    return f"{shown}\n\n{SOURCE}"


def _rows(text: str, size: str) -> dict[str, dict[str, str]]:
    """Returns the cells of one table by name of the strategy, then by name of the column."""
    (header, *rows), *_ = tables(section(text, size))
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


SOURCE = (
    "Medical case, the same processor time for every strategy, three seeds (five for some at 128), "
    "95 % intervals: [all of it](../../strategies.md)."
)


def _readme(name: str) -> str:
    """Returns a section of the README for a page at the top."""
    text = section((ROOT / "README.md").read_text(encoding="utf-8"), name)
    return relink(text, lambda link: link if "://" in link else f"../../{link}")


DIRECTIVES: Mapping[str, Callable[[str], str]] = {
    "strategy": _strategies,
    "measured": _measured,
    "readme": _readme,
}
"""By name, what becomes of its argument."""
