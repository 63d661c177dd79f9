"""Runs by handle: `status`, `wait`, `logs`, `stop`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import SCHEMA_VERSION, Answer, table
from tunebook.cli.application import DRY, Settings, command, dry_run_option
from tunebook.cli.history import chosen_run, next_commands, place_option
from tunebook.errors import Problem, StoppedError, TunebookError

if TYPE_CHECKING:
    from tunebook.handles import LogPiece
    from tunebook.records import RunDirectory

SECONDS = click.FloatRange(min=0, max=10 * 365 * 24 * 3600)
LOOK_SECONDS = 0.2
LINES = 100


@command("status")
@click.argument("run", default="last")
@click.pass_obj
def status_command(settings: Settings, run: str) -> Answer:
    """Show the state and the progress of RUN: a run id, its beginning, or `last`.

    States are starting, running, succeeded, failed, stopped, timed_out, and lost, where the
    process has died and the record could not say so. The exit code is 0 whatever the state; that
    of the run is `exit_code` of the answer.
    """
    from tunebook.handles import state_of

    told = state_of(chosen_run(settings, run))
    return _answer(settings, told)


@command("wait")
@click.argument("run", default="last")
@click.option(
    "--timeout", type=SECONDS, metavar="SECONDS", help="Wait this long at most (default: for ever)."
)
@click.pass_obj
def wait_command(settings: Settings, run: str, timeout: float | None) -> Answer:
    """Wait until RUN has ended; the exit code is then that of the run.

    It is 0 for one that has succeeded, 2 to 6 for one that hasn't, and 5 where it still goes on
    when the time is up: then `state` is running, and the error's code is wait.timeout.
    """
    from tunebook.handles import wait_for

    told = wait_for(chosen_run(settings, run), timeout)
    return _answer(settings, told, _still_running(told, timeout) or _error(told))


@command("stop")
@click.argument("run", default="last")
@click.option("--abort", is_flag=True, help="End it at once, without a result; it can be resumed.")
@click.option(
    "--wait",
    type=SECONDS,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the training to answer.",
)
@click.option("--by", default="cli", show_default=True, help="Who asks, for the record.")
@dry_run_option
@click.pass_obj
def stop_command(
    settings: Settings, run: str, abort: bool, wait: float, by: str, dry_run: bool
) -> Answer:
    """End RUN: its training stops after the step that it is at, and its result is scored.

    With --abort there is no result, and `tunebook resume` goes on from there. Stopping a run that
    has ended does nothing, and the exit code is 0.
    """
    from tunebook.handles import state_of, stop

    directory = chosen_run(settings, run)
    if dry_run:
        told = {**state_of(directory), "outcome": "dry_run", "reason": DRY}
    else:
        told = stop(directory, abort=abort, by=by, wait=wait)
    answer = _answer(settings, told)
    text = f"{told['outcome'].replace('_', ' ')}: {told['reason']}".rstrip(": ")
    return Answer(f"{answer.text}\n{text}", answer.data, hints=answer.hints)


@command("logs")
@click.argument("run", default="last")
@click.option(
    "--since",
    type=click.IntRange(min=0),
    metavar="N",
    help="From there on: 0, or what an earlier answer has named as `next`.",
)
@click.option(
    "--tail",
    type=click.IntRange(1, 10_000),
    default=LINES,
    show_default=True,
    metavar="LINES",
    help="The last lines, without --since.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
@click.pass_obj
def logs_command(
    settings: Settings, run: str, since: int | None, tail: int, follow: bool
) -> Answer | None:
    """Print the log of RUN, at most 64 kB at once; one that was started in a terminal has its
    events told in words instead.

    With --json, one object with `lines` and `next`; with --follow, one object a line of the log.
    """
    from tunebook.handles import last_lines, logs_since

    directory = chosen_run(settings, run)
    piece = last_lines(directory, tail) if since is None else logs_since(directory, since)
    if follow:
        return _follow(settings, directory, piece)
    data = {"run_id": directory.run_id, **piece.to_dict()}
    place = place_option(settings)
    onward = f"next: tunebook logs {directory.run_id} --since {piece.next}{place}"
    return Answer("\n".join(piece.lines), data, hints=[onward] if piece.more else [])


def _follow(settings: Settings, run: RunDirectory, piece: LogPiece) -> None:
    from tunebook.handles import logs_since
    from tunebook.states import UNDER_WAY, run_state

    while True:
        # looked at before the last piece is read, so that nothing is written after it
        ended = run_state(run) not in UNDER_WAY
        _write(settings, piece.lines)
        piece = logs_since(run, piece.next)
        if not piece.lines and not piece.more:
            if ended:
                return
            time.sleep(LOOK_SECONDS)


def _write(settings: Settings, lines: Sequence[str]) -> None:
    assert settings.stdout is not None
    for line in lines:
        told = {"schema_version": SCHEMA_VERSION, "line": line}
        text = json.dumps(told, ensure_ascii=False) if settings.as_json else line
        settings.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    settings.stdout.flush()


def _answer(
    settings: Settings, told: Mapping[str, Any], error: TunebookError | None = None
) -> Answer:
    from tunebook.records import RunDirectory

    run, state = RunDirectory(Path(told["path"])), told["state"]
    commands = next_for(settings, run, state)
    hints = [f"next: {line}" for line in commands]
    return Answer(_text(told), {**told, "next": commands}, error, hints)


def next_for(settings: Settings, run: RunDirectory, state: str) -> list[str]:
    """Returns what to type next about a run in a state."""
    if state == "succeeded":
        return next_commands(settings, run)
    place = place_option(settings)
    return [f"tunebook {line.format(run.run_id)}{place}" for line in NEXT[state]]


_ON = ("wait {} --timeout 600", "logs {} --since 0", "stop {}")
_AGAIN = ("logs {} --since 0", "resume {}")
NEXT: Mapping[str, Sequence[str]] = {
    "starting": _ON,
    "running": _ON,
    "failed": ("show {}", *_AGAIN),
    "stopped": _AGAIN,
    "timed_out": _AGAIN,
    "lost": _AGAIN,
}
"""By state of a run that hasn't succeeded, the commands that one may want."""


def _text(told: Mapping[str, Any]) -> str:
    from tunebook.progress import duration

    progress, step = told["progress"], told["progress"]["step"]
    scores = "  ".join(f"{name} {value:.3f}" for name, value in progress["scores"].items())
    left = progress["seconds_left"]
    rows = [
        ("run", told["run_id"]),
        ("state", told["state"] + (", paused" if progress["paused"] else "")),
        ("stage", progress["stage"]),
        ("step", "" if step is None else f"{step} of {progress['total_steps']}"),
        ("scores", scores),
        ("time", "" if told["seconds"] is None else duration(told["seconds"])),
        ("left", "" if left is None else duration(left)),
    ]
    return table(row for row in rows if row[1])


def _still_running(told: Mapping[str, Any], timeout: float | None) -> StoppedError | None:
    if told["exit_code"] is not None:
        return None
    found = f"it goes on, {told['state']}: only the waiting has ended"
    fix = f"`tunebook wait {told['run_id']}` again, or `tunebook stop {told['run_id']}`"
    expected = f"an end within {timeout:g} s"
    return StoppedError(Problem("wait.timeout", told["run_id"], expected, found, fix))


def _error(told: Mapping[str, Any]) -> TunebookError | None:
    """Returns the error of a run that has ended, as if it had just been raised."""
    from tunebook.notebooks.verdict import error_from

    return error_from(told["run_error"], told["run_id"]) if told["run_error"] else None
