"""Readers of CSV, JSON Lines and Parquet. CSV cells stay text, and no word means a gap."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tunebook.contracts import Card, SourceData
from tunebook.errors import DataError, Problem, did_you_mean, shorten
from tunebook_plugins.datasources.files.plugin import (
    CsvConfig,
    FileConfig,
    JsonlConfig,
    ParquetConfig,
)

MOST_PROBLEMS = 5
"""Bad lines that are reported before reading on makes no sense."""


class CsvSource:
    """Reads a CSV file strictly: every line has as many cells as the first."""

    def __init__(self, config: CsvConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        text = _read_text(self._config.path, self._config.encoding)
        header, *rows = self._lines(text)
        return SourceData(pd.DataFrame(rows, columns=header, dtype=object), _card(self._config))

    def _lines(self, text: str) -> list[list[str]]:
        csv.field_size_limit(sys.maxsize)
        reader = csv.reader(io.StringIO(text), delimiter=self._config.delimiter, strict=True)
        lines: list[list[str]] = []
        problems: list[Problem] = []
        try:
            for cells in reader:
                if not cells:
                    continue
                if not lines:
                    cells = self._header(cells)
                elif len(cells) != len(lines[0]):
                    problems.append(self._uneven(reader.line_num, lines[0], cells))
                lines.append(cells)
                if len(problems) == MOST_PROBLEMS:
                    break
        except csv.Error as error:
            fix = "close the quotation mark, or double those inside a quoted cell"
            problems.append(_bad_line(self._config, reader.line_num, "CSV", str(error), fix))
        if problems:
            raise DataError(*problems)
        return lines

    def _header(self, cells: list[str]) -> list[str]:
        """Returns the column names; unnamed ones are numbered, as pandas writes one for its index.

        Raises:
            DataError: There is one column only, which another delimiter would divide.
        """
        other = next((sign for sign in ";\t|," if len(cells) == 1 and sign in cells[0]), None)
        if other:
            raise DataError(
                Problem(
                    "data.delimiter",
                    f"{self._config.path}, line 1",
                    f"column names divided by {self._config.delimiter!r}",
                    shorten(cells[0]),
                    f"set `data.delimiter` to {json.dumps(other)}",
                )
            )
        return [name.strip() or f"column {number}" for number, name in enumerate(cells, 1)]

    def _uneven(self, line: int, header: list[str], cells: list[str]) -> Problem:
        found = f"{len(cells)}: {shorten(cells)}"
        fix = "put quotation marks around cells that hold the delimiter, or set `data.delimiter`"
        return _bad_line(self._config, line, f"{len(header)} cells", found, fix)


class JsonlSource:
    """Reads a file with one JSON object a line; blank lines are passed over."""

    def __init__(self, config: JsonlConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        text = _read_text(self._config.path, self._config.encoding)
        rows: list[dict[str, Any]] = []
        problems: list[Problem] = []
        # not splitlines(), which also cuts at signs that JSON allows inside a text
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            row = self._parse(number, line)
            (problems if isinstance(row, Problem) else rows).append(row)
            if len(problems) == MOST_PROBLEMS:
                break
        if problems:
            raise DataError(*problems)
        return SourceData(pd.DataFrame(rows, dtype=object), _card(self._config))

    def _parse(self, number: int, line: str) -> dict[str, Any] | Problem:
        fix = "write one JSON object a line, without a list around them"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            return _bad_line(self._config, number, "a JSON object", f"{error}: {line[:60]}", fix)
        if not isinstance(row, dict):
            return _bad_line(self._config, number, "a JSON object", shorten(row), fix)
        return row


class ParquetSource:
    """Reads a Parquet file."""

    def __init__(self, config: ParquetConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        path = _existing(self._config.path)
        try:
            with pq.ParquetFile(path) as file:
                rows = file.read().to_pandas().astype(object)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(
                Problem(
                    "data.corrupt",
                    str(path),
                    "a Parquet file",
                    " ".join(str(error).split())[:200],
                    "write or download the file again; for other formats use `csv` or `jsonl`",
                )
            ) from error
        return SourceData(rows, _card(self._config))


def _existing(path: str) -> Path:
    """Returns the path of a file that is there and holds something.

    Raises:
        DataError: It isn't, or doesn't.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(_missing(file))
    if file.stat().st_size == 0:
        raise DataError(_empty(file))
    return file


def _read_text(path: str, encoding: str) -> str:
    """Returns the content of a text file, without a byte-order mark.

    Raises:
        DataError: It is missing, empty, unreadable or in another encoding.
    """
    file = _existing(path)
    try:
        text = file.read_bytes().decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        fix = did_you_mean(encoding, ["utf-8", "utf-16", "cp1252", "latin-1", "gb18030"])
        problem = Problem("data.encoding", "data.encoding", "an encoding", f"`{encoding}`", fix)
        raise DataError(problem) from error
    except UnicodeError as error:
        fix = "set `data.encoding` to what the file is in, such as cp1252 or utf-16"
        problem = Problem("data.encoding", str(file), f"text in {encoding}", str(error), fix)
        raise DataError(problem) from error
    except OSError as error:
        fix = "make the file readable"
        raise DataError(
            Problem("data.unreadable", str(file), "a readable file", str(error), fix)
        ) from error
    if not text.strip():
        raise DataError(_empty(file))
    return text


def _missing(file: Path) -> Problem:
    folder = file.parent
    names = sorted(f.name for f in folder.iterdir() if f.is_file()) if folder.is_dir() else []
    found = "a folder" if file.is_dir() else "nothing there"
    fix = did_you_mean(file.name, names) if names else f"the folder {folder} has no files"
    return Problem("data.missing_file", str(file), "a file", found, fix)


def _empty(file: Path) -> Problem:
    return Problem("data.empty_file", str(file), "rows", "an empty file", "give a file with rows")


def _bad_line(config: FileConfig, number: int, expected: str, found: str, fix: str) -> Problem:
    return Problem("data.bad_line", f"{config.path}, line {number}", expected, found, fix)


def _card(config: FileConfig) -> Card:
    name = Path(config.path).name
    return Card(
        title=config.title or name,
        description=f"Rows of the {config.kind} file {name}.",
        licence=config.licence or "not stated",
        how_split="as the case's `split` says",
        source=config.path,
    )
