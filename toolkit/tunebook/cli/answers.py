"""What a command gives back, and how it reaches the terminal: as text, or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import click

from tunebook.errors import TunebookError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Answer:
    """The result of a command.

    Attributes:
        text: For people.
        data: For programs, JSON types only.
        error: What went wrong, where there is an answer nevertheless.
        hints: What to do next; always on standard error.
        one_line: Whether its JSON is one line, as the last of the JSON lines that the command has
            written before.
    """

    text: str
    data: Mapping[str, Any]
    error: TunebookError | None = None
    hints: Sequence[str] = ()
    one_line: bool = False


def print_answer(answer: Answer, stdout: TextIO, *, as_json: bool) -> None:
    """Writes an answer: data or text to `stdout`, error and hints to standard error."""
    if as_json:
        error = {"error": answer.error.to_dict()} if answer.error else {}
        print_json({**answer.data, **error}, stdout, one_line=answer.one_line)
    elif answer.text:
        click.echo(answer.text, sys.stderr if answer.error else stdout)
    if answer.error:
        say(f"error: {answer.error}")
    for hint in answer.hints:
        say(hint)


def print_json(content: Mapping[str, Any], stdout: TextIO, *, one_line: bool = False) -> None:
    """Writes one JSON object with its `schema_version`."""
    whole = {"schema_version": SCHEMA_VERSION, **content}
    text = json.dumps(whole, indent=None if one_line else 2, ensure_ascii=False)
    # a lone surrogate (an undecodable byte of a file name) must not break the output
    click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"), stdout)


def say(text: str) -> None:
    """Writes a line that isn't part of an answer."""
    click.echo(text, sys.stderr)


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Returns rows as left-aligned columns, two spaces apart."""
    texts = [[" ".join(str(cell).split()) for cell in row] for row in ([header] if header else [])]
    texts += [[" ".join(str(cell).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    )


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Prints a warning as one line, without the line of code that raised it."""
    say(f"warning: {message}")
