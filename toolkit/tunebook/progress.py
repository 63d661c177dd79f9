"""How a run's progress is shown: in a terminal, in a log, in a notebook, or under papermill."""

from __future__ import annotations

import contextlib
import html
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tunebook.events import (
    ControlAnswered,
    Evaluated,
    Event,
    Listener,
    Noted,
    Resumed,
    RunEnded,
    StageStarted,
    StepTaken,
    event_of,
)

LINE_EVERY_SECONDS = 10.0
REDRAWS_PER_SECOND = 4
ENDS = ("resume", "stop", "abort")
"""Controls that end a pause."""
EVENTS_BELOW = "*/*/*/events.jsonl"
"""Where, in its folder, runs write that a run's notebook made beside it: place, case, run."""


def progress_listener(stream: TextIO | None = None) -> Listener:
    """Returns the listener that suits where the process runs.

    Args:
        stream: Where to write, standard error when None. A stream that is given is always used,
            even in a notebook.
    """
    if stream is None and os.environ.get("TUNEBOOK_RUN_DIR"):
        return LineProgress(sys.stdout, every=None)  # red in a notebook would mean an error
    if stream is None and _in_notebook():
        return NotebookProgress()
    stream = stream or sys.stderr
    return TerminalProgress(stream) if stream.isatty() else LineProgress(stream)


@dataclass
class ProgressState:
    """What is known of a run by the events so far."""

    stage: str = ""
    step: StepTaken | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    paused: bool = False

    def update(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self.stage, self.step = event.stage, None
        elif isinstance(event, StepTaken):
            self.step = event
        elif isinstance(event, Evaluated):
            self.scores = event.scores
        elif isinstance(event, ControlAnswered) and event.accepted:
            self.paused = event.action == "pause" or (self.paused and event.action not in ENDS)

    @property
    def share(self) -> float:
        """Share of the steps taken, between 0 and 1."""
        if self.step is None or self.step.total_steps <= 0:
            return 0.0
        return min(max(self.step.step / self.step.total_steps, 0.0), 1.0)

    def line(self, bar_width: int = 0) -> str:
        """Returns one line: stage, bar, steps, loss, score, speed, time left."""
        parts = [f"{self.stage:<11}"]
        if self.step is not None:
            done = round(self.share * bar_width)
            parts += ["█" * done + "░" * (bar_width - done)] if bar_width else []
            parts.append(f"step {self.step.step}/{self.step.total_steps}")
            parts += [] if self.step.loss is None else [f"loss {self.step.loss:.4f}"]
        if self.scores:
            parts.append(_scores(self.scores, limit=1))
        if self.step is not None:
            parts.append(f"{self.step.examples_per_second:.0f} examples/s")
            parts.append("paused" if self.paused else f"{duration(self.step.seconds_left)} left")
        return "  ".join(parts)


class LineProgress:
    """Plain lines: every stage, evaluation and note; steps at most every so many seconds.

    Args:
        stream: Where to write.
        every: Seconds between two lines about steps; None for no such lines.
    """

    def __init__(self, stream: TextIO, every: float | None = LINE_EVERY_SECONDS) -> None:
        self._stream = stream
        self._every = every
        self._state = ProgressState()
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        self._state.update(event)
        text = describe(event)
        if isinstance(event, StepTaken) and self._due(event):
            text = self._state.line()
        if text:
            print(text, file=self._stream, flush=True)

    def _due(self, event: StepTaken) -> bool:
        if self._every is None or event.time - self._last < self._every:
            return False
        self._last = event.time
        return True


class TerminalProgress:
    """One line that is redrawn; what should stay is printed above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._state = ProgressState()
        self._pace = Pace()

    def __call__(self, event: Event) -> None:
        self._state.update(event)
        lasting = describe(event)
        if lasting:
            self._stream.write(f"\r\x1b[K{lasting}\n")
        if isinstance(event, StepTaken) and (self._pace.ready() or self._state.share == 1):
            self._stream.write(f"\r\x1b[K{self._fitted()}")
        if isinstance(event, StageStarted | RunEnded):
            self._stream.write("\r\x1b[K")
        self._stream.flush()

    def _fitted(self) -> str:
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            width = 80
        line = self._state.line(bar_width=20 if width >= 100 else 0)
        return line[: max(width - 1, 1)]


class NotebookProgress:
    """A bar below the cell, redrawn in place at most four times a second."""

    def __init__(self, display: Callable[..., Any] | None = None) -> None:
        self._display = display
        self._handle: Any = None
        self._state = ProgressState()
        self._pace = Pace()
        self._kept: list[str] = []

    def __call__(self, event: Event) -> None:
        self._state.update(event)
        lasting = describe(event)
        self._kept += [lasting] if lasting else []
        if lasting or self._pace.ready():
            self._show(ended=isinstance(event, RunEnded))

    def _show(self, *, ended: bool) -> None:
        picture = Html(self._html(ended))
        if self._handle is None:
            self._handle = (self._display or _ipython_display())(picture, display_id=True)
        else:
            self._handle.update(picture)

    def _html(self, ended: bool) -> str:
        lines = "".join(f"<div>{html.escape(text)}</div>" for text in self._kept[-8:])
        if ended:
            return lines
        bar = f'<progress value="{self._state.share:.3f}" max="1" style="width:16em"></progress>'
        return f"{lines}<div>{bar} {html.escape(self._state.line())}</div>"


@dataclass(frozen=True)
class Html:
    """Something that a notebook shows as HTML."""

    text: str

    def _repr_html_(self) -> str:
        return self.text


class Pace:
    """Says yes at most `REDRAWS_PER_SECOND` times a second."""

    def __init__(self) -> None:
        self._next = 0.0

    def ready(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + 1 / REDRAWS_PER_SECOND
        return True


class EventFollower:
    """Reads an `events.jsonl` that another process writes, and hands new events to a listener.

    Args:
        path: The file, which may not be there yet.
        listener: Told of each event.
        from_now: Leave out what stands there already.
    """

    def __init__(self, path: Path, listener: Listener, *, from_now: bool = False) -> None:
        self._path = path
        self._listener = listener
        self._offset = path.stat().st_size if from_now and path.exists() else 0

    def poll(self) -> int:
        """Hands over the events written since the last call; returns how many there were.

        A last line that isn't complete yet is left for the next call.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return 0
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        events = [event for line in whole.splitlines() if (event := parse_event(line))]
        for event in events:
            # a broken progress bar must not end a training
            with contextlib.suppress(Exception):
                self._listener(event)
        return len(events)


class RunFollower:
    """Follows a run that another process writes, and the runs that its notebook makes below it.

    Those are the points of its learning curve, and runs that it is compared with.
    """

    def __init__(self, folder: Path, listener: Listener, *, from_now: bool = False) -> None:
        self._folder = folder
        self._listener = listener
        known = [folder, *(_runs_below(folder) if from_now else [])]
        self._followers = {
            each: EventFollower(each / "events.jsonl", listener, from_now=from_now)
            for each in known
        }

    def poll(self) -> None:
        """Hands over what has been written since the last call."""
        for below in _runs_below(self._folder):
            if below not in self._followers:
                place = below.relative_to(self._folder).parts[0]
                self._listener(StageStarted(place, below.name))
                self._followers[below] = EventFollower(below / "events.jsonl", self._listener)
        for follower in self._followers.values():
            follower.poll()


def _runs_below(folder: Path) -> list[Path]:
    # a checkpoint may go away while one looks; the next look finds the rest
    with contextlib.suppress(FileNotFoundError):
        return [file.parent for file in sorted(folder.glob(EVENTS_BELOW))]
    return []


def parse_event(line: str | bytes) -> Event | None:
    """Returns the event of one line of `events.jsonl`, see `events.event_of`."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return event_of(content) if isinstance(content, dict) else None


def describe(event: Event) -> str:
    """Returns the line that stays for an event; empty for one that is only passing."""
    if isinstance(event, StageStarted):
        return f"{event.stage:<11}  {event.detail}".rstrip()
    if isinstance(event, Evaluated):
        best = "  (best so far)" if event.best else ""
        return f"{'evaluation':<11}  step {event.step}  {_scores(event.scores)}{best}"
    if isinstance(event, Noted):
        return f"{event.level:<11}  {event.text}"
    if isinstance(event, ControlAnswered):
        outcome = "" if event.accepted else "refused: "
        said = f"  {outcome}{event.reason}" if event.reason else ""
        return f"{'control':<11}  step {event.step}  {event.asked}{said}"
    if isinstance(event, Resumed):
        place = f"from step {event.step} of {event.stage}" if event.stage else "from the beginning"
        return f"{'resumed':<11}  {place}"
    if isinstance(event, RunEnded):
        return f"{event.status:<11}  {event.detail}".rstrip()
    return ""


def duration(seconds: float) -> str:
    """Returns seconds as people say them: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if not 0 <= seconds < float("inf"):
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _scores(scores: Mapping[str, float], limit: int = 4) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in list(scores.items())[:limit])


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _ipython_display() -> Callable[..., Any]:
    from IPython.display import display

    return display
