"""Running a case: `run`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.history import files_of, headline, headline_data, next_commands
from tunebook.cli.validate import parameter_option
from tunebook.notebooks.launch import Limits, launch, make_plan
from tunebook.notebooks.supervision import DEFAULT_START_TIMEOUT, DEFAULT_TIMEOUT, KernelChoice
from tunebook.notebooks.verdict import error_of

if TYPE_CHECKING:
    from tunebook.records import RunDirectory

SECONDS = click.FloatRange(min=0, min_open=True, max=10 * 365 * 24 * 3600)


def time_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options on how long a run may take."""
    for option in (
        click.option(
            "--start-timeout",
            type=SECONDS,
            default=DEFAULT_START_TIMEOUT,
            metavar="SECONDS",
            show_default="2 minutes",
            help="Time for the kernel to answer.",
        ),
        click.option(
            "--timeout",
            type=SECONDS,
            default=DEFAULT_TIMEOUT,
            metavar="SECONDS",
            show_default="6 hours",
            help="End the run after so long.",
        ),
    ):
        function = option(function)
    return function


@command("run", short_help="Run a case, in its notebook where it has one.")
@click.argument("case")
@parameter_option
@time_options
@click.option(
    "--kernel",
    type=click.Choice(get_args(KernelChoice)),
    default="cold",
    show_default=True,
    help="warm: a fork of a process with everything imported; auto: where there is one.",
)
@click.option("--no-notebook", is_flag=True, help="Run the library directly, without a notebook.")
@click.option(
    "--processes",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Processes that train the model together; more than one needs --no-notebook.",
)
@click.pass_obj
def run_command(
    settings: Settings,
    case: str,
    parameters: tuple[str, ...],
    timeout: float,
    start_timeout: float,
    kernel: KernelChoice,
    no_notebook: bool,
    processes: int,
) -> Answer:
    """Run CASE, a name or a YAML file, into a new run directory.

    Everything is checked first; a mistake leaves nothing behind.
    """
    from tunebook.cases import parse_parameters

    host = settings.host()
    plan = make_plan(host, case, parse_parameters(parameters), with_notebook=not no_notebook)
    started = time.time()
    run, _ = launch(
        replace(plan, processes=processes),
        host,
        settings.runs_dir.resolve(),
        plugin_files=settings.plugin_files,
        limits=Limits(timeout, start_timeout, kernel),
        debug=settings.debug,
    )
    return answer_about(settings, run, time.time() - started)


def answer_about(settings: Settings, run: RunDirectory, seconds: float) -> Answer:
    """Returns what a command says of a run that it has brought to an end, in `seconds`."""
    from tunebook.progress import duration

    record = run.read_record()
    ended = f"run {run.run_id} {record.status.replace('_', ' ')} after {duration(seconds)}"
    lines = [ended, headline(record)]
    files = files_of(run)
    text = "\n".join(filter(None, [*lines, table(files.items())]))
    commands = next_commands(settings, run)
    data = {
        "run_id": run.run_id,
        "path": str(run.path),
        "status": record.status,
        "seconds": round(seconds, 1),
        "resumed": len(record.resumed),
        "headline": headline_data(record),
        "files": files,
        "next": commands,
    }
    return Answer(text, data, error_of(record), hints=[f"next: {line}" for line in commands])
