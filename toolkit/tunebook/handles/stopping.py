"""Ending a run from outside; asking twice does no harm."""

from __future__ import annotations

from typing import Any

from tunebook.controls import Abort, Stop, ask, await_answer
from tunebook.errors import ConfigError
from tunebook.events import ControlAnswered
from tunebook.handles.looking import state_of
from tunebook.ownership import end_detached
from tunebook.records import RunDirectory
from tunebook.states import UNDER_WAY

WAIT_SECONDS = 10.0


def stop(
    run: RunDirectory, *, abort: bool = False, by: str = "program", wait: float = WAIT_SECONDS
) -> dict[str, Any]:
    """Ends a run and returns `state_of` it, with `outcome`: what became of the wish.

    The training ends after the step that it is at, what it has come to is scored, and the run
    succeeds. One that is aborted ends without a result, and can be resumed; where it doesn't
    answer since it isn't training, and was started apart, its process is asked to end.

    `outcome` is ``ended`` where it had ended before, ``accepted``, ``refused``, ``signalled``, or
    ``waiting`` where it is asked and nothing has become of it yet, since the run trains later.

    Args:
        run: Where it lies.
        abort: Whether to do without a result.
        by: Who asks, for the record.
        wait: Seconds to wait for the training to answer.

    Raises:
        ConfigError: It can't be steered, as one of several processes can't.
    """
    state = state_of(run)
    if state["state"] not in UNDER_WAY:
        return {**state, "outcome": "ended", "reason": f"the run {_told(state['state'])}"}
    outcome, reason = _ask(run, abort, by, wait)
    return {**state_of(run), "outcome": outcome, "reason": reason}


def _ask(run: RunDirectory, abort: bool, by: str, wait: float) -> tuple[str, str]:
    try:
        answer = await_answer(run, ask(run, Abort() if abort else Stop(), by), wait)
    except ConfigError as error:
        code = error.problems[0].code
        if code == "control.not_running":  # it has ended while we asked
            return "ended", ""
        if not (abort and code == "control.processes"):
            raise
        answer = None
    if answer is not None:
        return _outcome(answer)
    if abort and end_detached(run.path):
        return "signalled", "its process was asked to end"
    return "waiting", "it is done when the training takes its next step"


def _outcome(answer: ControlAnswered) -> tuple[str, str]:
    return ("accepted" if answer.accepted else "refused"), answer.reason


def _told(state: str) -> str:
    return "was cut short, and nobody works on it" if state == "lost" else f"has ended: {state}"
