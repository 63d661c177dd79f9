"""What an attempt that has ended means for its run, and whether it is worth another one."""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping
from typing import Any, Literal

from tunebook.attempts import Ended
from tunebook.batch.entry import Entry, State
from tunebook.batch.heartbeat import died_of_memory, read_beat
from tunebook.batch.job import HEARTBEAT, memory_problem, read_conclusion
from tunebook.batch.plan import Retries
from tunebook.batch.states import Change
from tunebook.errors import (
    ConfigError,
    MachineError,
    Problem,
    StoppedError,
    TunebookError,
)
from tunebook.records import RunDirectory

Asked = Literal["", "stop", "timeout", "silence"]
"""What the batch had asked an attempt for before it ended: to stop, since its time was up, or
since it gave no sign of life."""

TRANSIENT = frozenset(
    {
        "run.lost",
        "run.kernel_died",
        "run.kernel_start",
        "run.crashed",
        "run.still_running",
        "environment.memory",
    }
)
"""Codes of errors that may be gone the next time."""
UNRESUMABLE = ("resume.", "launch.")
"""Codes that begin so mean that a run cannot go on, and has to begin again."""
LONGEST_PAUSE = 300.0
LAST_WORDS = 300
UNASKED: Mapping[str, State] = {"stop": "stopped", "timeout": "timed_out"}


def judge(key: str, run: RunDirectory, ended: Ended | None, asked: Asked = "") -> Change:
    """Returns the state that a run is in now that its attempt has ended.

    The record decides when the attempt has had its last word; without that, a run was stopped if
    that was asked for, and is lost otherwise.

    Args:
        key: The entry.
        run: Its directory.
        ended: How the attempt ended; None when nobody saw.
        asked: What the batch had asked for.
    """
    conclusion = read_conclusion(run)
    concluded = conclusion is not None or (ended is not None and ended.status == 0)
    if conclusion is not None and conclusion.error is not None and asked != "timeout":
        return Change(key, _state(run, conclusion.error), error=conclusion.error)
    if concluded and _recorded(run) == "succeeded":
        return Change(key, "succeeded")
    if asked in UNASKED:
        return Change(key, UNASKED[asked], error=_ended_on_request(run, asked).to_dict())
    if ended is not None and ended.kind == "stopped" and asked != "silence":
        return Change(key, "stopped", error=_ended_on_request(run, "stop").to_dict())
    return Change(key, "lost", error=_lost(run, ended, asked).to_dict())


def is_transient(error: Mapping[str, Any] | None) -> bool:
    """Whether what went wrong may be gone the next time."""
    code = code_of(error)
    return code in TRANSIENT or code.startswith(UNRESUMABLE)


def code_of(error: Mapping[str, Any] | None) -> str:
    """Returns the code of an error's first problem, empty when there is none."""
    problems = (error or {}).get("problems") or [{}]
    return str(problems[0].get("code", ""))


def pause_before(retries: Retries, entry: Entry, tries: int) -> float:
    """Returns the seconds before the next attempt: they double, and scatter by a half.

    The same entry and attempt always get the same pause.
    """
    scatter = random.Random(f"{entry.key}:{entry.attempts}").uniform(0.5, 1.5)
    return min(retries.seconds * 2.0 ** min(tries, 30), LONGEST_PAUSE) * scatter


def _recorded(run: RunDirectory) -> str:
    try:
        return run.read_record().status
    except ConfigError:
        return ""


def _state(run: RunDirectory, error: Mapping[str, Any]) -> State:
    """Returns the state of a run whose attempt ended with an error."""
    status = _recorded(run)
    if status in ("failed", "stopped", "timed_out"):
        return status  # type: ignore[return-value]
    return "stopped" if error.get("exit_code") == StoppedError.exit_code else "failed"


def _ended_on_request(run: RunDirectory, asked: Asked) -> TunebookError:
    where = str(run.path)
    if asked == "timeout":
        found, fix = "the batch ended it, since its time was up", "allow more: limits.run"
        return StoppedError(Problem("run.timed_out", where, "an end in time", found, fix))
    found, fix = "the batch was stopped", "`tunebook resume` goes on with it"
    return StoppedError(Problem("run.stopped", where, "to run to the end", found, fix))


def _lost(run: RunDirectory, ended: Ended | None, asked: Asked) -> TunebookError:
    memory = died_of_memory(read_beat(run.path / HEARTBEAT))
    if memory and ended is not None and ended.status == -signal.SIGKILL and not asked:
        return MachineError(memory_problem(run, memory))
    fix = "`tunebook resume` goes on with it"
    words = " ".join((ended.detail if ended else "").split())[:LAST_WORDS]
    found = _how(ended, asked) + (f"; its last words: {words}" if words else "")
    return MachineError(Problem("run.lost", str(run.path), "an end that is on record", found, fix))


def _how(ended: Ended | None, asked: Asked) -> str:
    if asked == "silence":
        return "it gave no sign of life"
    if ended is None:
        return "nobody saw how it ended"
    if ended.kind == "lost":
        return "it went with what carried it out"
    if ended.status is not None and ended.status < 0:
        return f"its process was killed by {_signal_name(-ended.status)}"
    return f"its process ended with status {ended.status}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
