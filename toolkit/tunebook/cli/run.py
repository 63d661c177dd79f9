"""Running a case: `run`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import DRY, Settings, command, dry_run_option
from tunebook.cli.handles import next_for
from tunebook.cli.history import files_of, headline, headline_data, next_commands
from tunebook.cli.validate import case_text, parameter_option

if TYPE_CHECKING:
    from tunebook.notebooks.launch import Limits, Plan
    from tunebook.records import RunDirectory

SECONDS = click.FloatRange(min=0, min_open=True, max=10 * 365 * 24 * 3600)


def time_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options on how long a run may take."""
    for option in (
        click.option(
            "--start-timeout",
            type=SECONDS,
            metavar="SECONDS",
            help="Time for the kernel to answer (default: 2 minutes).",
        ),
        click.option(
            "--timeout",
            type=SECONDS,
            metavar="SECONDS",
            help="End the run after so long (default: 6 hours).",
        ),
    ):
        function = option(function)
    return function


def limits_of(**given: Any) -> Limits:
    """Returns the limits that options give; what is left out is as usual."""
    from tunebook.notebooks.launch import Limits

    return Limits(**{name: value for name, value in given.items() if value is not None})


@command("run")
@click.argument("case")
@parameter_option
@time_options
@click.option(
    "--kernel",
    type=click.Choice(["auto", "warm", "cold"]),
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
@click.option("--detach", is_flag=True, help="Start it apart and print its id at once.")
@click.option(
    "--plan",
    "planned",
    metavar="HASH",
    help="Refuse to run anything but what `tunebook plan` has told under this hash.",
)
@dry_run_option
@click.pass_obj
def run_command(
    settings: Settings,
    case: str,
    parameters: tuple[str, ...],
    timeout: float | None,
    start_timeout: float | None,
    kernel: str,
    no_notebook: bool,
    processes: int,
    detach: bool,
    planned: str | None,
    dry_run: bool,
) -> Answer:
    """Run CASE, a name or a YAML file, into a new run directory.

    Everything is checked first; a mistake leaves nothing behind. With --detach the run goes on by
    itself, whatever becomes of the terminal; ask after it with `tunebook status`, `wait`, `logs`,
    `stop`.
    """
    from tunebook.cases import parse_parameters
    from tunebook.notebooks.launch import launch, make_plan

    host, given = settings.host(), parse_parameters(parameters)
    plan = make_plan(host, case, given, with_notebook=not no_notebook)
    if planned is not None:
        from tunebook.planning import check_planned, identity_of

        check_planned(identity_of(host, plan), planned)
    if dry_run:
        return _would_run(settings, plan, processes)
    limits = limits_of(timeout=timeout, start_timeout=start_timeout, kernel=kernel)
    if detach:
        from tunebook.handles import start_detached

        directory = start_detached(
            host,
            case,
            given,
            runs_dir=settings.runs_dir,
            plugin_files=settings.plugin_files,
            with_notebook=not no_notebook,
            limits=limits,
            processes=processes,
        )
        return answer_started(settings, directory)
    started = time.time()
    run, _ = launch(
        replace(plan, processes=processes),
        host,
        settings.runs_dir.resolve(),
        plugin_files=settings.plugin_files,
        limits=limits,
        debug=settings.debug,
    )
    return answer_about(settings, run, time.time() - started)


def _would_run(settings: Settings, plan: Plan, processes: int) -> Answer:
    """Returns what a run would be, as far as that is known without its data; see `plan`."""
    if processes > 1:
        from tunebook.notebooks.processes import check_processes

        check_processes(plan.case, plan.notebook, processes)
    content = plan.case.to_json_dict()
    place = settings.runs_dir.resolve() / plan.case.name
    data = {
        "dry_run": True,
        "case": content,
        "notebook": str(plan.notebook) if plan.notebook else None,
        "place": str(place),
    }
    text = f"would run {plan.case.name} below {place}\n\n{case_text(content)}"
    return Answer(text, data, hints=[DRY])


def answer_started(settings: Settings, run: RunDirectory) -> Answer:
    """Returns what a command says of a run that it has started and left."""
    commands = next_for(settings, run.run_id, "starting")
    data = {"run_id": run.run_id, "path": str(run.path), "state": "starting", "next": commands}
    return Answer(run.run_id, data, hints=[f"next: {line}" for line in commands])


def answer_about(settings: Settings, run: RunDirectory, seconds: float) -> Answer:
    """Returns what a command says of a run that it has brought to an end, in `seconds`."""
    from tunebook.notebooks.verdict import error_of
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
