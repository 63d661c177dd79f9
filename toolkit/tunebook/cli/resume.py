"""Going on with what was cut short, a run or a batch: `resume`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import Settings, command
from tunebook.cli.batch import executor_options, is_batch, resume_batch
from tunebook.cli.run import answer_about, time_options
from tunebook.errors import ConfigError, Problem
from tunebook.notebooks.launch import Limits, resume


@command("resume", short_help="Go on with a run or a batch that was cut short.")
@click.argument("name", metavar="RUN | BATCH")
@time_options
@executor_options
@click.option("--retry-failed", is_flag=True, help="Of a batch: also what failed by itself.")
@click.pass_context
def resume_command(
    context: click.Context, name: str, timeout: float, start_timeout: float, **of_batch: Any
) -> Answer:
    """Go on with a run or a batch: an id, the beginning of one, or a folder; `last` is a run.

    A run continues in its own directory from its last checkpoint to the result of a run that
    nothing had cut short; one that has succeeded is left as it is. A batch continues every run
    that has not ended, and begins those that were waiting. The options about time are for a run,
    the others for a batch.
    """
    settings: Settings = context.obj
    if name != "last" and is_batch(settings, name):
        _refuse(context, name, "batch", ("timeout", "start_timeout"))
        return resume_batch(settings, name, **of_batch)
    _refuse(context, name, "run", [*of_batch])
    return _resume_run(settings, name, Limits(timeout, start_timeout))


def _resume_run(settings: Settings, name: str, limits: Limits) -> Answer:
    from tunebook.records import find_run

    started = time.time()
    directory = find_run(settings.runs_dir.resolve(), name)
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
