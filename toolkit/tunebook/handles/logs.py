"""What a run has printed, in pieces of bounded size, however much it is."""

from __future__ import annotations

import codecs
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunebook.errors import ConfigError, Problem
from tunebook.ownership import owner
from tunebook.progress import describe, parse_event
from tunebook.records import RunDirectory

MOST_BYTES = 64 * 1024
"""Of one answer."""


@dataclass(frozen=True)
class LogPiece:
    """Some lines of a log.

    Attributes:
        source: Name of the file in the run's directory.
        lines: Whole ones, but for a line that is longer than an answer.
        since: Where they begin in the file, in bytes.
        next: Where the next piece begins.
        more: Whether the next piece is there already.
    """

    source: str
    lines: list[str]
    since: int
    next: int
    more: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def logs_since(run: RunDirectory, since: int = 0, *, most_bytes: int = MOST_BYTES) -> LogPiece:
    """Returns the lines from a place on that an earlier call has named as `next`, 0 at first.

    They come from the log of a run that was started apart, which holds what its process printed.
    A run that was started in a terminal has none, so its events are told in words instead.

    Args:
        run: Where it lies.
        since: Bytes of the file to leave out.
        most_bytes: How much of the file to read at most.

    Raises:
        ConfigError: The file isn't that long.
    """
    path = _source(run)
    size = _size(path)
    if not 0 <= since <= size:
        found, fix = str(since), f"take `next` of the answer before, or 0; the end is {size}"
        expected = f"a place in {path.name}, 0 to {size}"
        raise ConfigError(Problem("logs.no_such_place", "--since", expected, found, fix))
    ended = owner(run.path) is None
    content = _read(path, since, most_bytes)
    more = since + len(content) < size
    whole = content if ended and not more else _whole(content, most_bytes)
    return LogPiece(path.name, _lines(path, whole), since, since + len(whole), more)


def last_lines(run: RunDirectory, count: int, *, most_bytes: int = MOST_BYTES) -> LogPiece:
    """Returns the last lines of a log; see `logs_since`."""
    path = _source(run)
    size = _size(path)
    start = max(0, size - most_bytes)
    content = _read(path, start, most_bytes)
    if start:  # it begins somewhere in a line
        start += content.find(b"\n") + 1
        content = content[content.find(b"\n") + 1 :]
    whole = content if owner(run.path) is None else content[: content.rfind(b"\n") + 1]
    end = start + len(whole)
    kept = b"\n".join(whole.removesuffix(b"\n").split(b"\n")[-count:])
    kept += whole[-1:] if whole.endswith(b"\n") else b""
    return LogPiece(path.name, _lines(path, kept), end - len(kept), end, False)


def _source(run: RunDirectory) -> Path:
    return run.log_file if run.log_file.exists() else run.events_file


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read(path: Path, since: int, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(since)
            return file.read(count)
    except FileNotFoundError:
        return b""


def _whole(content: bytes, most: int) -> bytes:
    """Returns the whole lines at the beginning, or a piece of a line that is longer than that."""
    whole = content[: content.rfind(b"\n") + 1]
    if whole or len(content) < most:
        return whole
    # a letter of several bytes isn't cut in two
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(content)
    return content[: len(content) - len(decoder.getstate()[0])]


def _lines(path: Path, content: bytes) -> list[str]:
    if path.suffix == ".jsonl":
        events = (parse_event(line) for line in content.split(b"\n"))
        return [text for event in events if event and (text := describe(event))]
    text = content.decode("utf-8", "replace").removesuffix("\n")
    return text.split("\n") if content else []
