"""What state a run is in: what its record says, and whether somebody works on it."""

from __future__ import annotations

from typing import Literal, get_args

from tunebook.errors import Problem, StoppedError
from tunebook.ownership import is_launched, is_starting, owner
from tunebook.records import RunDirectory

State = Literal["starting", "running", "succeeded", "failed", "stopped", "timed_out", "lost"]
"""``starting`` until a process works on the run; ``lost`` where the record says that it is running
and nobody works on it. A run in a notebook is running until the notebook has ended."""
STATES: tuple[State, ...] = get_args(State)
UNDER_WAY: tuple[State, ...] = ("starting", "running")


def run_state(run: RunDirectory, working: bool | None = None) -> State:
    """Returns the state of a run.

    Args:
        run: Where it lies.
        working: Whether somebody works on it, where the caller knows; else its files say.

    Raises:
        ConfigError: Its record is damaged or of a newer tunebook.
    """
    if working is None:
        return _state_on_disk(run)
    if not run.record_file.exists():
        return "starting" if working else "lost"
    status = run.read_record().status
    return "lost" if status == "running" and not working else status


def _state_on_disk(run: RunDirectory) -> State:
    if is_starting(run.path):
        return "starting"
    # who works is looked up before the record is read, which is final once nobody does
    launched, working = is_launched(run.path), owner(run.path) is not None
    state = run_state(run, working)
    if state == "lost" and owner(run.path) is not None:  # taken up again between the two looks
        return "running"
    return "running" if launched and run.record_file.exists() else state


def lost(run: RunDirectory) -> StoppedError:
    """Returns the error of a run whose record is no last word, and that nobody works on."""
    expected, found = "a run to its end", "nobody works on it any more"
    fix = f"`tunebook resume {run.run_id}` goes on from its last checkpoint"
    return StoppedError(Problem("run.lost", run.run_id, expected, found, fix))
