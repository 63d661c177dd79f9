"""A notebook's file: read, and written back as it was laid out, so that only changes differ."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebook.errors import ConfigError, Problem
from tunebook.notebooks.parameters import cell_source, notebook_content, read_text
from tunebook.records import write_atomically


@dataclass(frozen=True)
class NotebookFile:
    """A notebook as it lies on disk.

    Attributes:
        path: The file.
        text: What it held when it was read; empty for a notebook that is to be made.
        content: The same as JSON.
    """

    path: Path
    text: str
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> NotebookFile:
        """Returns the notebook at `path`.

        Raises:
            ConfigError: There is no such file, or it is no notebook.
        """
        text = read_text(path)
        return cls(path, text, notebook_content(path, text))

    def write(self, content: Mapping[str, Any], *, dry_run: bool = False) -> bool:
        """Puts `content` in its place; returns whether that changes anything.

        Raises:
            ConfigError: Somebody else has changed the file since it was read.
            MachineError: It cannot be written.
        """
        if self.text and content == self.content:
            return False
        if not dry_run:
            place = self.path.resolve()  # a link to a notebook stays a link
            if (place.exists() or self.text) and read_text(place) != self.text:
                raise ConfigError(_changed(self.path))
            write_atomically(place, laid_out(content, self.text))
        return True


def laid_out(content: Mapping[str, Any], like: str = "") -> str:
    """Returns a notebook as text, with the indentation, line ends and escapes of the text `like`,
    where there is one, else Jupyter's own."""
    indent = re.match(r"\{\r?\n([ \t]*)", like)
    flat = bool(like) and indent is None
    space: str | int | None = None if flat else indent[1] if indent else 1
    text = json.dumps(content, indent=space) if _escapes(like) else _utf8(content, space)
    text += "\n" if not like or like.endswith("\n") else ""
    return text.replace("\n", "\r\n") if "\r\n" in like else text


def with_source(cell: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Returns a cell with another source, kept as a text or as lines as it was."""
    if source == cell_source(cell):
        return dict(cell)
    as_text = isinstance(cell.get("source"), str)
    return {**cell, "source": source if as_text else source.splitlines(keepends=True)}


def _escapes(text: str) -> bool:
    """Whether the text of a notebook has escapes for all that isn't ASCII, as some programs do."""
    may = text.isascii() and "\\u" in text
    return may and not json.dumps(json.loads(text), ensure_ascii=False).isascii()


def _utf8(content: Mapping[str, Any], indent: str | int | None) -> str:
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can hold
        return json.dumps(content, indent=indent)
    return text


def _changed(path: Path) -> Problem:
    found = "it was changed while this was at work"
    return Problem(
        "notebook.changed_meanwhile",
        str(path),
        "the notebook as it was read",
        found,
        "try again",
    )
