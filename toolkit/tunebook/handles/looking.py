"""What state a run is in, how far it has come, and waiting for its end."""

from __future__ import annotations

import time
from typing import Any

from tunebook.errors import ExitCode, TunebookError
from tunebook.handles.newest import progress_of
from tunebook.notebooks.verdict import error_of
from tunebook.records import RunDirectory, RunRecord
from tunebook.states import UNDER_WAY, State, lost, run_state

LOOK_SECONDS = 0.2


def state_of(run: RunDirectory) -> dict[str, Any]:
    """Returns all that a caller needs to know of a run: state, progress, result, error.

    The keys are always the same. `exit_code` and `run_error` are None until the run has ended;
    `progress` says where it is, or was: stage, step of total, the last scores of the validation
    split, seconds left.

    Raises:
        ConfigError: The record is damaged or of a newer tunebook.
    """
    state = run_state(run)
    record = run.read_record() if run.record_file.exists() else None
    ended = state not in UNDER_WAY
    error = _error(run, state, record) if ended else None
    began = record.started if record else None
    finished = record.finished if record and ended else None
    return {
        "run_id": run.run_id,
        "path": str(run.path.resolve()),
        "state": state,
        "case": record.case if record else run.path.parent.name,
        "strategy": record.strategy if record else None,
        "seed": record.seed if record else None,
        "started": began,
        "finished": finished,
        "seconds": _elapsed(began, finished, ended),
        "resumed": len(record.resumed) if record else 0,
        "progress": _progress(run, ended),
        "exit_code": int(error.exit_code if error else ExitCode.OK) if ended else None,
        "run_error": error.to_dict() if error else None,
    }


def wait_for(run: RunDirectory, timeout: float | None = None) -> dict[str, Any]:
    """Waits until a run has ended, for so many seconds at most; returns `state_of` it then.

    Args:
        run: Where it lies.
        timeout: Seconds; for ever when None.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while run_state(run) in UNDER_WAY:
        left = LOOK_SECONDS if until is None else until - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(left, LOOK_SECONDS))
    return state_of(run)


def _progress(run: RunDirectory, ended: bool) -> dict[str, Any]:
    found, last = progress_of(run.events_file)
    step = found.step
    return {
        "stage": found.stage,
        "step": step.step if step else None,
        "total_steps": step.total_steps if step else None,
        "share": round(found.share, 4),
        "loss": step.loss if step else None,
        "examples_per_second": step.examples_per_second if step else None,
        "seconds_left": step.seconds_left if step and not ended else None,
        "scores": dict(found.scores),
        "paused": found.paused and not ended,
        "last_event": last,
    }


def _elapsed(began: float | None, finished: float | None, ended: bool) -> float | None:
    """Returns the seconds since a run began, or that it took; None where nobody knows its end."""
    if began is None or (ended and finished is None):
        return None
    return round((finished or time.time()) - began, 1)


def _error(run: RunDirectory, state: State, record: RunRecord | None) -> TunebookError | None:
    return lost(run) if state == "lost" or record is None else error_of(record)
