"""The newest events of a run, found from the end of their file, however long that is."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunebook.events import (
    ControlAnswered,
    Evaluated,
    Event,
    Resumed,
    StageStarted,
    StageStep,
    StepTaken,
)
from tunebook.progress import ProgressState, parse_event

SHOWN = (StageStarted, StepTaken, StageStep, Evaluated)
"""What says where a run is."""


def progress_of(path: Path) -> tuple[ProgressState, float | None]:
    """Returns where a run is by its events, and when the newest of them happened.

    What a resumed run has undone is left out.
    """
    state = ProgressState()
    with _mapped(path) as content:
        if content is None:
            return state, None
        end = content.rfind(b"\n") + 1
        since = max(_find(content, Resumed, 0, end), 0)
        found = {at: event for kind in SHOWN for at, event in _newest(content, kind, since, end)}
        for at in sorted(found):
            state.update(found[at])
        state.paused = _paused(content, since, end)
        last = parse_event(content[content.rfind(b"\n", 0, max(end - 1, 0)) + 1 : end])
        return state, last.time if last else None


def _paused(content: mmap.mmap, since: int, end: int) -> bool:
    state = ProgressState()
    while (at := _find(content, ControlAnswered, since, end)) >= 0:
        event = _event_at(content, at)
        if isinstance(event, ControlAnswered) and event.accepted:
            state.update(event)
            if state.paused or event.action in ("resume", "stop", "abort"):
                return state.paused
        end = at
    return False


def _newest(
    content: mmap.mmap, kind: type[Event], since: int, end: int
) -> Iterator[tuple[int, Event]]:
    at = _find(content, kind, since, end)
    event = _event_at(content, at) if at >= 0 else None
    if event is not None:
        yield at, event


def _find(content: mmap.mmap, kind: type[Event], since: int, end: int) -> int:
    """Returns where the last line of a kind begins, -1 where there is none.

    A text can't hold what is looked for, as JSON writes its quotation marks with a backslash.
    """
    begins = f'{{"type": {json.dumps(kind.type)}'.encode()
    at = content.rfind(b"\n" + begins, since, end)
    if at >= 0:
        return at + 1
    first = since < end and content[since : since + len(begins)] == begins
    return since if first else -1


def _event_at(content: mmap.mmap, at: int) -> Event | None:
    return parse_event(content[at : content.find(b"\n", at)])


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | None]:
    """Maps a file into memory; None where it is missing or empty, which can't be mapped."""
    try:
        file = path.open("rb")
    except OSError:
        yield None
        return
    with file:
        if not file.seek(0, 2):
            yield None
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content
