"""Reads a table of synonyms from a CSV or JSON file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tunebook.errors import DataError, Problem, did_you_mean, shorten

COLUMNS = ("term", "synonym")


def read_table(path: str) -> dict[str, list[str]]:
    """Returns synonyms by case-folded term.

    Args:
        path: A CSV file with the columns term and synonym; or a JSON file, either a mapping of
            terms to a synonym or a list of them, or a list of objects with both keys.

    Raises:
        DataError: The file is missing, or isn't such a table.
    """
    file = Path(path).expanduser()
    try:
        content = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        names = [f.name for f in file.parent.glob("*.*")] if file.parent.is_dir() else []
        raise DataError(_problem(file, str(error), did_you_mean(file.name, names))) from error
    except UnicodeError as error:
        raise DataError(_problem(file, str(error), "save it as UTF-8")) from error
    table: dict[str, list[str]] = {}
    for term, synonym in (_json_pairs if file.suffix == ".json" else _csv_pairs)(file, content):
        term, synonym = term.strip(), synonym.strip()
        known = table.setdefault(term.casefold(), [])
        if term and synonym and synonym.casefold() != term.casefold() and synonym not in known:
            known.append(synonym)
    table = {term: others for term, others in table.items() if others}
    if not table:
        raise DataError(_problem(file, "none", "add rows with a term and a synonym"))
    return table


def _csv_pairs(file: Path, content: str) -> Iterator[tuple[str, str]]:
    reader = csv.DictReader(content.splitlines(keepends=True))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        found = f"columns {', '.join(reader.fieldnames or ['(none)'])}"
        raise DataError(_problem(file, found, f"name the columns {' and '.join(COLUMNS)}"))
    for row in reader:
        yield row["term"] or "", row["synonym"] or ""


def _json_pairs(file: Path, content: str) -> Iterator[tuple[str, str]]:
    try:
        rows = json.loads(content)
    except ValueError as error:
        raise DataError(_problem(file, str(error), "mend the JSON")) from error
    for term, others in _entries(rows):
        names = others if isinstance(others, list) else [others]
        if not all(isinstance(name, str) for name in (term, *names)):
            raise DataError(_problem(file, shorten({term: others}), "use text on both sides"))
        yield from ((term, name) for name in names)


def _entries(rows: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(rows, dict):
        return list(rows.items())
    if not isinstance(rows, list):
        return [(None, rows)]
    entries = [row if isinstance(row, dict) else {} for row in rows]
    return [(entry.get("term"), entry.get("synonym")) for entry in entries]


def _problem(file: Path, found: str, fix: str) -> Problem:
    return Problem(
        "augmenter.table", str(file), "a table with the columns term and synonym", found, fix
    )
