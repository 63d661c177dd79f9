"""What can be asked of a run while it trains, and the file in which it is asked.

A request is one line of ``control.jsonl`` in the run's directory, such as
``{"action": "set", "learning_rate": 1e-5}``: a widget, a command, a program or an editor may add
one. The training looks for new lines between two steps; what it did with each is an event of type
``control``.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from tunebook.errors import ConfigError, MachineError, Problem, did_you_mean
from tunebook.events import ControlAnswered, event_of, in_words, read_events
from tunebook.ownership import owner
from tunebook.records import RunDirectory, write_problem
from tunebook.schema import problems_of
from tunebook.sections import Section

LONGEST_LINE = 100_000
"""Bytes of a request; a longer line is refused unread."""


class Control(Section):
    """Something that can be asked."""

    destructive: ClassVar[bool] = False
    """Whether it ends something, so that a person should be asked twice."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What was asked beside the action."""
        return self.model_dump(exclude={"action"}, exclude_none=True)

    def __str__(self) -> str:
        return in_words(str(getattr(self, "action", "")), self.arguments)


class Pause(Control):
    """Wait after the step that is being taken, until `resume`, `stop` or `abort`."""

    action: Literal["pause"] = "pause"


class Resume(Control):
    """Go on after a pause."""

    action: Literal["resume"] = "resume"


class Stop(Control):
    """End the training that is under way, score what it has come to, and go on with the run."""

    destructive: ClassVar[bool] = True
    action: Literal["stop"] = "stop"


class Abort(Control):
    """End the run, without a result. It can be taken up again with `tunebook resume`."""

    destructive: ClassVar[bool] = True
    action: Literal["abort"] = "abort"


class Checkpoint(Control):
    """Write a checkpoint."""

    action: Literal["checkpoint"] = "checkpoint"


class Evaluate(Control):
    """Score the validation split; better weights than the best so far are kept."""

    action: Literal["evaluate"] = "evaluate"


class Set(Control):
    """Change a setting of the training."""

    action: Literal["set"] = "set"
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=10,
        description=(
            "Peak rate of the backbone, as in `training.learning_rate`; the rates of all groups "
            "and of the rest of the schedule change in proportion."
        ),
    )
    weight_decay: float | None = Field(
        None, ge=0, le=1, description="AdamW weight decay, of the groups that decay."
    )
    max_steps: int | None = Field(
        None,
        ge=1,
        description=(
            "Optimiser steps after which the training ends, fewer than planned; the schedule "
            "falls to its end there."
        ),
    )
    early_stopping: int | Literal["off"] | None = Field(
        None, description="Evaluations without an improvement to wait for; off for no such end."
    )

    @model_validator(mode="after")
    def _something(self) -> Set:
        if not self.arguments:
            raise ValueError(f"nothing is set; there are {', '.join(SETTINGS)}")
        if isinstance(self.early_stopping, int) and self.early_stopping < 1:
            raise ValueError("early_stopping is a number of evaluations, 1 or more, or off")
        return self


class Unfreeze(Control):
    """Open the next stage of gradual unfreezing now."""

    action: Literal["unfreeze"] = "unfreeze"


class Note(Control):
    """Keep a remark beside the step that it was made at."""

    action: Literal["note"] = "note"
    text: str = Field(min_length=1, max_length=10_000, description="The remark.")


CONTROLS: Mapping[str, type[Control]] = {
    each.model_fields["action"].default: each
    for each in (Pause, Resume, Stop, Abort, Checkpoint, Evaluate, Set, Unfreeze, Note)
}
"""By action."""

SETTINGS = [name for name in Set.model_fields if name != "action"]


@dataclass(frozen=True)
class Request:
    """One line of the file.

    Attributes:
        line: Its number, from 0.
        request_id: Who asks knows its answer by it; the number of the line where none was given.
        by: Who asks, in their own words.
        time: When it was asked, seconds since the epoch; None where the line doesn't say.
        control: What is asked, None where that can't be read.
        problem: Why it can't.
    """

    line: int
    request_id: str
    by: str
    time: float | None
    control: Control | None
    problem: str = ""


def control_of(content: Mapping[str, Any]) -> Control:
    """Returns what is asked, from its JSON.

    Raises:
        ConfigError: There is no such action, or its arguments are wrong.
    """
    action = content.get("action")
    known = CONTROLS.get(action) if isinstance(action, str) else None
    if known is None:
        fix = did_you_mean(str(action), [*CONTROLS])
        raise ConfigError(
            Problem("control.unknown", "action", "something that can be asked", f"`{action}`", fix)
        )
    try:
        return known.model_validate(dict(content))
    except ValidationError as error:
        raise ConfigError(*problems_of(known, error, content, "control", ())) from error


def parse_request(line: int, content: bytes) -> Request:
    """Returns what a line of the file asks; one that can't be read has a problem."""
    if len(content) > LONGEST_LINE:
        return Request(line, str(line), "", None, None, f"a line of {len(content)} bytes")
    try:
        asked = json.loads(content)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        return Request(line, str(line), "", None, None, "not a JSON object on one line")
    request_id = str(asked.pop("id", line))[:100]
    by, when = str(asked.pop("by", ""))[:100], asked.pop("time", None)
    when = float(when) if isinstance(when, int | float) else None
    try:
        return Request(line, request_id, by, when, control_of(asked))
    except ConfigError as error:
        told = "; ".join(f"{p.where}: {p.found}, not {p.expected}. {p.fix}" for p in error.problems)
        return Request(line, request_id, by, when, None, told)


def ask(run: RunDirectory, control: Control, by: str) -> str:
    """Asks something of a run that is under way; returns the id of the request.

    Raises:
        ConfigError: Nobody works on the run, or it can't be steered.
        MachineError: The file can't be written to.
    """
    check_steerable(run)
    request_id = secrets.token_hex(6)
    asked = {"id": request_id, "time": time.time(), "by": by, **_json_of(control)}
    path = run.control_file
    try:
        place = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # one write, so that several who ask at once don't mix; whatever stood there cut off
            # becomes a line of its own
            cut_off = b"" if _ends_whole(path) else b"\n"
            os.write(place, cut_off + json.dumps(asked, ensure_ascii=False).encode() + b"\n")
        finally:
            os.close(place)
    except OSError as error:
        raise MachineError(write_problem(path, error)) from error
    return request_id


def await_answer(run: RunDirectory, request_id: str, seconds: float) -> ControlAnswered | None:
    """Returns what became of a request, None where nothing did in so many seconds.

    Nothing does where the run has ended, or is not yet or no longer in its training.
    """
    until = time.monotonic() + seconds
    while True:
        found = answers(run).get(request_id)
        if found is not None or time.monotonic() >= until or owner(run.path) is None:
            return found or answers(run).get(request_id)
        time.sleep(0.05)


def answers(run: RunDirectory) -> dict[str, ControlAnswered]:
    """Returns what became of requests, by their id."""
    events = map(event_of, read_events(run.events_file))
    return {event.request: event for event in events if isinstance(event, ControlAnswered)}


def check_steerable(run: RunDirectory) -> None:
    """Raises ConfigError where nobody works on a run, or it is one of several processes."""
    record = run.read_record()
    processes = record.hardware.get("processes")
    if processes:
        raise ConfigError(
            Problem(
                "control.processes",
                run.run_id,
                "a run of one process",
                f"one of {processes.get('count')}",
                "stop it with Ctrl-C where it was started",
            )
        )
    if owner(run.path) is None:
        raise ConfigError(
            Problem(
                "control.not_running",
                run.run_id,
                "a run that is under way",
                f"one that {_state(record.status)}",
                "see `tunebook runs`; `tunebook resume` goes on with one that was cut short",
            )
        )


def _state(status: str) -> str:
    return "nobody works on" if status == "running" else f"has ended: {status}"


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _json_of(control: Control) -> dict[str, Any]:
    return control.model_dump(mode="json", exclude_none=True)
