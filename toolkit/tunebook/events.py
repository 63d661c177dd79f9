"""What happens during a run, as typed lines of `events.jsonl`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Something that happened; `time` is seconds since the epoch."""

    type: ClassVar[str] = "event"
    time: float = field(default_factory=time.time, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, **asdict(self)}


@dataclass(frozen=True)
class StageStarted(Event):
    """A part of the run began: data, model, features, training, evaluation, report."""

    type: ClassVar[str] = "stage"
    stage: str
    detail: str = ""


@dataclass(frozen=True)
class StepTaken(Event):
    """Optimiser steps were taken. `loss` is the mean since the last such event."""

    type: ClassVar[str] = "step"
    step: int
    total_steps: int
    epoch: float
    loss: float | None
    learning_rate: float
    examples_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class StageStep(StepTaken):
    """The same in a stage before the task's, so that nobody takes its loss for the task's."""

    type: ClassVar[str] = "stage_step"
    stage: str = ""


@dataclass(frozen=True)
class Evaluated(Event):
    """The validation split was scored."""

    type: ClassVar[str] = "evaluation"
    step: int
    epoch: float
    scores: dict[str, float]
    best: bool


@dataclass(frozen=True)
class Noted(Event):
    """Something a reader of the record should know. `level` is info or warning."""

    type: ClassVar[str] = "note"
    text: str
    level: str = "info"


@dataclass(frozen=True)
class ControlAnswered(Event):
    """What a training did with a request, see `tunebook.controls`.

    Attributes:
        request: Its id.
        action: What was asked.
        arguments: With what.
        by: Who asked.
        accepted: Whether it was done.
        reason: Why not, or what came of it.
        stage: The training that was under way, empty when none was.
        step: Optimiser steps that it had taken.
        again: Whether a run that goes on has only repeated what it had done before.
    """

    type: ClassVar[str] = "control"
    request: str
    action: str
    arguments: dict[str, Any]
    by: str
    accepted: bool
    reason: str
    stage: str
    step: int
    again: bool = False

    @property
    def asked(self) -> str:
        """What was asked, as a person types it."""
        return in_words(self.action, self.arguments)


@dataclass(frozen=True)
class Resumed(Event):
    """The run was taken up again. What stands on line `undone_from` and after it, up to this event,
    has come to nothing: the run goes on from where it was before that line.

    Attributes:
        stage: The training that goes on, empty where the run starts anew.
        step: Optimiser steps of it that are kept.
        undone_from: Number of a line of the file, from 0.
        time_before: Seconds that the attempts so far took.
    """

    type: ClassVar[str] = "resumed"
    stage: str
    step: int
    undone_from: int
    time_before: float = 0.0


@dataclass(frozen=True)
class RunEnded(Event):
    """The run reached its last state."""

    type: ClassVar[str] = "ended"
    status: str
    detail: str = ""


EVENT_TYPES: Mapping[str, type[Event]] = {
    cls.type: cls
    for cls in (
        StageStarted,
        StepTaken,
        StageStep,
        Evaluated,
        Noted,
        ControlAnswered,
        Resumed,
        RunEnded,
    )
}

Listener = Callable[[Event], None]


class EventLog:
    """Appends events to a file and hands them to listeners.

    A listener that raises is dropped, since a broken progress bar must not end a training.
    """

    def __init__(self, path: Path | None, listeners: Iterable[Listener] = ()) -> None:
        self._path = path
        self._listeners = list(listeners)
        self.events: list[Event] = []
        self.position = 0 if path is None else _whole_lines(path)
        """Lines there are."""

    def listen(self, listener: Listener) -> None:
        """Has a listener told of what comes."""
        self._listeners.append(listener)

    def drop(self, listener: Listener) -> None:
        """Has a listener told of nothing more."""
        self._listeners.remove(listener)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.position += 1
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event.to_dict(), ensure_ascii=False) + "\n")
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception as error:
                self._listeners.remove(listener)
                self(Noted(f"a listener was dropped: {error!r}", "warning"))


def read_events(path: Path) -> list[dict[str, Any]]:
    """Returns the events in `path` that count: what a resumed run has undone is left out, and so is
    a line cut off by a crash."""
    if not path.exists():
        return []
    events: list[dict[str, Any]] = []
    for line in path.read_bytes().split(b"\n"):
        event = _event(line)
        if event.get("type") == Resumed.type:
            undone = int(event["undone_from"])
            # lines keep their numbers
            events[undone:] = [{}] * (len(events) - undone)
        events.append(event)
    return [event for event in events if event]


def in_words(action: str, arguments: Mapping[str, Any]) -> str:
    """Returns a control as a person types it, such as ``set learning_rate=1e-05``."""
    return " ".join([action, *(f"{name}={value}" for name, value in arguments.items())])


def event_of(content: Mapping[str, Any]) -> Event | None:
    """Returns the event of one line, None when it is damaged or of no known type.

    Keys that a newer tunebook may have added are left out.
    """
    try:
        event_class = EVENT_TYPES[content["type"]]
        known = {item.name for item in fields(event_class)}
        return event_class(**{key: value for key, value in content.items() if key in known})
    except (KeyError, TypeError):
        return None


def every_event(path: Path) -> list[dict[str, Any]]:
    """Returns all events in `path`, those that a resumed run has undone as well."""
    if not path.exists():
        return []
    return [event for line in path.read_bytes().split(b"\n") if (event := _event(line))]


def last_sign_of_life(path: Path) -> float | None:
    """Returns the time of the newest event in `path`, undone or not."""
    if not path.exists():
        return None
    lines = path.read_bytes().split(b"\n")
    return next(
        (event["time"] for line in reversed(lines) if "time" in (event := _event(line))), None
    )


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _whole_lines(path: Path) -> int:
    """Returns the number of lines, after ending one that a crash has cut off."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
        content += b"\n"
    return content.count(b"\n")
