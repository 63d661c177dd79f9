"""Running a case: `run`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import DRY, Settings, command, dry_run_option
from tunebook.cli.handles import next_for
from tunebook.cli.history import files_of, headline, headline_data, next_commands
from tunebook.cli.validate import case_text, parameter_option
from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.host import PluginHost
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
            help="End the run after this long (default: 6 hours).",
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
@click.option("--detach", is_flag=True, help="Start it in the background and print its id at once.")
@click.option(
    "--once",
    metavar="KEY",
    help="With --detach: a second call with the same key reports the same run, and starts none.",
)
@click.option(
    "--plan",
    "planned",
    metavar="HASH",
    help="Refuse to run anything but what `tunebook plan` has shown under this hash.",
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
    once: str | None,
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

    if once is not None and not detach:
        problem = ("usage.invalid", "--once", "--detach beside it", "none", "add --detach")
        raise ConfigError(Problem(*problem))
    host, given = settings.host(), parse_parameters(parameters)
    plan = make_plan(host, case, given, with_notebook=not no_notebook)
    if planned is not None:
        from tunebook.planning import check_planned, identity_of

        check_planned(identity_of(host, plan), planned)
    if dry_run:
        return _would_run(settings, plan, processes)
    limits = limits_of(timeout=timeout, start_timeout=start_timeout, kernel=kernel)
    if detach:
        options = {
            "plugin_files": [str(file.resolve()) for file in settings.plugin_files],
            "with_notebook": not no_notebook,
            "processes": processes,
        }
        return _detached(settings, host, case, given, once, limits=limits, **options)
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


def _detached(
    settings: Settings,
    host: PluginHost,
    case: str,
    given: Mapping[str, Any],
    once: str | None,
    **options: Any,
) -> Answer:
    """Starts a run apart, or returns what is said of the one that its key stands for."""
    from tunebook.handles import start_detached, start_once

    def start() -> RunDirectory:
        return start_detached(host, case, given, runs_dir=settings.runs_dir, **options)

    if once is None:
        return answer_started(settings, start())
    asked = {**options, "case": case, "parameters": given, "limits": vars(options["limits"])}
    directory, new = start_once(once, asked, settings.runs_dir.resolve(), start)
    return answer_started(settings, directory, new=new)


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


def answer_started(settings: Settings, run: RunDirectory, *, new: bool = True) -> Answer:
    """Returns what a command says of a run that it has started and left, or found started."""
    from tunebook.states import run_state

    state = run_state(run)
    commands = next_for(settings, run, state)
    data = {
        "run_id": run.run_id,
        "path": str(run.path.resolve()),
        "state": state,
        "new": new,
        "next": commands,
    }
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
