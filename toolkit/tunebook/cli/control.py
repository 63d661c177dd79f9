"""Steering a run from outside: `control`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tunebook.cases import parse_parameters
from tunebook.cli.answers import Answer
from tunebook.cli.application import DRY, Settings, command, dry_run_option
from tunebook.cli.history import chosen_run
from tunebook.controls import CONTROLS, ask, await_answer, check_steerable, control_of
from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.controls import Control
    from tunebook.events import ControlAnswered

WAIT_SECONDS = 10.0


def _epilog() -> str:
    return "\b\n" + "\n".join(f"{name:<10}  {each.__doc__}" for name, each in CONTROLS.items())


@command("control", epilog=_epilog())
@click.argument("run")
@click.argument("action")
@click.argument("values", nargs=-1, metavar="[SETTING=VALUE ... | TEXT]")
@click.option(
    "--wait",
    type=click.FloatRange(min=0, max=24 * 3600),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the answer; the request stays in either case.",
)
@dry_run_option
@click.option("--by", default="cli", show_default=True, help="Who asks, for the record.")
@click.pass_obj
def control_command(
    settings: Settings,
    run: str,
    action: str,
    values: Sequence[str],
    wait: float,
    dry_run: bool,
    by: str,
) -> Answer:
    """Ask something of RUN while it trains: it is done between two steps, and recorded.

    `set` takes SETTING=VALUE, as in `tunebook control last set learning_rate=1e-5`; `note` takes a
    text. RUN is a run id, the beginning of one, a folder, or `last`.
    """
    control = _control(action, values)
    directory = chosen_run(settings, run)
    if dry_run:
        check_steerable(directory)
        told = {"run_id": directory.run_id, "action": action, "arguments": control.arguments}
        return Answer(f"would ask for `{control}`", {**told, "state": "dry_run"}, hints=[DRY])
    request_id = ask(directory, control, by)
    answer = await_answer(directory, request_id, wait)
    data = {
        "run_id": directory.run_id,
        "request": request_id,
        "action": action,
        "arguments": control.arguments,
        **_outcome(answer),
    }
    if answer is None:
        text = f"asked for `{control}`; nothing has become of it yet"
        return Answer(text, data, hints=[f"tunebook events {directory.run_id}"])
    if not answer.accepted:
        return Answer("", data, ConfigError(_refused(control, answer)))
    reason = f": {answer.reason}" if answer.reason else ""
    return Answer(f"{control}, at step {answer.step} of {answer.stage}{reason}", data)


def _control(action: str, values: Sequence[str]) -> Control:
    """Returns what a command line asks for.

    Raises:
        ConfigError: There is no such thing, or its values are wrong.
    """
    content: dict[str, Any] = {"action": action}
    if action == "note":
        content["text"] = " ".join(values)
    elif values and action in CONTROLS:
        content |= parse_parameters(values)
    return control_of(content)


def _outcome(answer: ControlAnswered | None) -> dict[str, Any]:
    if answer is None:
        return {"state": "waiting"}
    state = "accepted" if answer.accepted else "refused"
    return {"state": state, "stage": answer.stage, "step": answer.step, "reason": answer.reason}


def _refused(control: Control, answer: ControlAnswered) -> Problem:
    where = f"step {answer.step} of {answer.stage}" if answer.stage else "the run"
    found, fix = answer.reason, "see `tunebook control --help` for what can be asked"
    return Problem("control.refused", where, f"to do `{control}`", found, fix)
