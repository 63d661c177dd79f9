"""Going on with what was cut short, a run or a batch: `resume`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import DRY, Settings, command, dry_run_option
from tunebook.cli.audition import resume_audition
from tunebook.cli.batch import executor_options, is_batch, resume_batch
from tunebook.cli.history import chosen_run
from tunebook.cli.run import answer_about, answer_started, limits_of, time_options
from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.notebooks.launch import Limits
    from tunebook.records import RunDirectory


@command("resume")
@click.argument("name", metavar="RUN | BATCH")
@time_options
@executor_options
@click.option("--retry-failed", is_flag=True, help="Of a batch: also failed runs.")
@click.option(
    "--detach", is_flag=True, help="Of a run: in the background; its id is printed at once."
)
@dry_run_option
@click.pass_context
def resume_command(
    context: click.Context,
    name: str,
    timeout: float | None,
    start_timeout: float | None,
    detach: bool,
    dry_run: bool,
    **of_batch: Any,
) -> Answer:
    """Go on with a run or a batch: an id, the beginning of one, or a folder; `last` is a run.

    A run continues in its own directory from its last checkpoint to the result of a run that
    nothing had cut short; one that has succeeded is left as it is. A batch continues every run
    that has not ended, and begins those that were waiting. The options about time are for a run,
    the others for a batch.
    """
    settings: Settings = context.obj
    if name != "last" and is_batch(settings, name):
        _refuse(context, name, "batch", ("timeout", "start_timeout", "detach"))
        from tunebook.audition.folder import is_audition
        from tunebook.batch.folder import find_batch

        if is_audition(find_batch(settings.runs_dir, name)):
            _refuse(context, name, "batch that is no audition", [*of_batch])
            return resume_audition(settings, name, dry_run=dry_run)
        return resume_batch(settings, name, dry_run=dry_run, **of_batch)
    _refuse(context, name, "run", [*of_batch])

    from tunebook.notebooks.launch import is_complete
    from tunebook.records import RunDirectory

    directory = RunDirectory(chosen_run(settings, name).path.resolve())
    limits = limits_of(timeout=timeout, start_timeout=start_timeout)
    complete = is_complete(directory) if detach or dry_run else False
    if dry_run:
        return _would_resume(settings, directory, complete)
    if detach and not complete:
        from tunebook.handles import resume_detached

        return answer_started(settings, resume_detached(directory, limits=limits))
    return _resume_run(settings, directory, limits)


def _would_resume(settings: Settings, directory: RunDirectory, complete: bool) -> Answer:
    """Returns what a run would go on from."""
    from tunebook.notebooks.launch import check_resumable
    from tunebook.states import run_state

    check_resumable(directory, settings.host())
    state = run_state(directory)
    kept = sum(each.name.isdecimal() for each in directory.checkpoints.glob("[0-9]*"))
    onward = f"go on from the newest of {kept} checkpoints" if kept else "begin anew"
    told = "it is done, and nothing would be run" if complete else f"it would {onward}"
    data = {
        "dry_run": True,
        "run_id": directory.run_id,
        "state": state,
        "complete": complete,
        "checkpoints": kept,
    }
    return Answer(f"{directory.run_id} {state}: {told}", data, hints=[DRY])


def _resume_run(settings: Settings, directory: RunDirectory, limits: Limits) -> Answer:
    from tunebook.notebooks.launch import resume

    started = time.time()
    directory, _ = resume(directory, settings.host(), limits=limits, debug=settings.debug)
    return answer_about(settings, directory, time.time() - started)


def _refuse(context: click.Context, name: str, kind: str, options: Any) -> None:
    """Refuses options that are given and mean nothing for a run, or for a batch.

    Raises:
        ConfigError: There are some.
    """
    given: Mapping[str, str] = {
        option: max(
            (o for p in context.command.params if p.name == option for o in p.opts), key=len
        )
        for option in options
        if context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
    }
    if given:
        raise ConfigError(
            *(
                Problem("usage.option", flag, f"an option for a {kind}", name, "leave it out")
                for flag in given.values()
            )
        )
