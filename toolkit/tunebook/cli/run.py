"""Running a case: `run`."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.history import files_of, headline, headline_data, next_commands
from tunebook.cli.validate import parameter_option
from tunebook.errors import TunebookError
from tunebook.notebooks.supervision import (
    DEFAULT_START_TIMEOUT,
    DEFAULT_TIMEOUT,
    Outcome,
    execute_notebook,
)
from tunebook.notebooks.verdict import conclude, error_of

if TYPE_CHECKING:
    from tunebook.config import CaseConfig
    from tunebook.host import PluginHost
    from tunebook.records import RunDirectory, RunRecord

SECONDS = click.FloatRange(min=0, min_open=True, max=10 * 365 * 24 * 3600)


@dataclass(frozen=True)
class Plan:
    """What is going to run: a validated case, and the notebook to run it in, if any."""

    case: CaseConfig
    notebook: Path | None
    injected: Mapping[str, Any]


@command("run", short_help="Run a case, in its notebook where it has one.")
@click.argument("case")
@parameter_option
@click.option(
    "--timeout",
    type=SECONDS,
    default=DEFAULT_TIMEOUT,
    metavar="SECONDS",
    show_default="6 hours",
    help="End the run after so long.",
)
@click.option(
    "--start-timeout",
    type=SECONDS,
    default=DEFAULT_START_TIMEOUT,
    metavar="SECONDS",
    show_default="2 minutes",
    help="Time for the kernel to answer.",
)
@click.option("--no-notebook", is_flag=True, help="Run the library directly, without a notebook.")
@click.pass_obj
def run_command(
    settings: Settings,
    case: str,
    parameters: tuple[str, ...],
    timeout: float,
    start_timeout: float,
    no_notebook: bool,
) -> Answer:
    """Run CASE, a name or a YAML file, into a new run directory.

    Everything is checked first; a mistake leaves nothing behind.
    """
    from tunebook.cases import parse_parameters

    host = settings.host()
    plan = make_plan(host, case, parse_parameters(parameters), with_notebook=not no_notebook)
    run, record = _begin(settings.runs_dir.resolve(), plan.case)
    try:
        if plan.notebook is None:
            outcome = _run_library(run, plan, host, timeout)
        else:
            outcome = _run_notebook(run, plan, settings, timeout, start_timeout)
    except (Exception, KeyboardInterrupt) as error:
        if settings.debug:
            traceback.print_exception(error)
        outcome = _outcome_of(error)
    conclude(run, outcome, record)
    return _answer(settings, run, time.time() - record.started)


def _begin(runs_dir: Path, case: CaseConfig) -> tuple[RunDirectory, RunRecord]:
    """Makes the run directory, with a record that says that it is running."""
    from tunebook.records import RunDirectory, RunRecord

    run = RunDirectory.create(runs_dir, case.name, f"{case.strategy.kind}-s{case.seed}")
    record = RunRecord(
        run_id=run.run_id,
        case=case.name,
        strategy=case.strategy.kind,
        seed=case.seed,
        started=time.time(),
    )
    run.write_case(case.to_json_dict())
    run.write_record(record)
    return run, record


def make_plan(
    host: PluginHost, name: str, given: Mapping[str, Any], *, with_notebook: bool
) -> Plan:
    """Returns what to run, validated with the values that the notebook itself brings along.

    Raises:
        ConfigError: The case, a parameter or the notebook's parameters cell is wrong.
    """
    from tunebook.cases import find_case, resolve_case
    from tunebook.config import CaseConfig
    from tunebook.notebooks.parameters import (
        case_parameters,
        parameters_for,
        read_parameters,
    )

    notebook = find_case(host, name).notebook if with_notebook else None
    if notebook is None:
        return Plan(resolve_case(host, name, given), None, {})
    injected = parameters_for(notebook, given)
    own = read_parameters(notebook).keys() - {*CaseConfig.model_fields, "preset"}
    values = case_parameters(notebook, injected)
    of_case = {key: value for key, value in values.items() if key not in own}
    return Plan(resolve_case(host, name, of_case), notebook, injected)


def _run_notebook(
    run: RunDirectory, plan: Plan, settings: Settings, timeout: float, start_timeout: float
) -> Outcome:
    from tunebook.progress import RunFollower, progress_listener

    assert plan.notebook is not None
    return execute_notebook(
        plan.notebook,
        run,
        plan.injected,
        plugin_files=settings.plugin_files,
        timeout=timeout,
        start_timeout=start_timeout,
        on_poll=RunFollower(run.path, progress_listener()).poll,
    )


def _run_library(run: RunDirectory, plan: Plan, host: PluginHost, timeout: float) -> Outcome:
    from tunebook.progress import progress_listener

    listener = progress_listener()
    os.environ["TUNEBOOK_RUN_DIR"] = str(run.path)
    rung: list[int] = []
    try:
        with _interrupted_after(timeout, rung):
            from tunebook.runner import run_case, trace_learning_curve

            finished = run_case(plan.case, host, listeners=[listener])
            trace_learning_curve(finished, host, listeners=[listener])
    except (TunebookError, KeyboardInterrupt):
        if signal.SIGALRM in rung:
            return Outcome("timed_out")
        raise
    return Outcome("finished")


def _outcome_of(error: BaseException) -> Outcome:
    if isinstance(error, KeyboardInterrupt):
        return Outcome("stopped", detail="interrupted")
    return Outcome("raised", type(error).__name__, str(error))


@contextlib.contextmanager
def _interrupted_after(seconds: float, rung: list[int]) -> Iterator[None]:
    """Interrupts the main thread when the time is up or SIGTERM comes; `rung` says which."""

    def ring(number: int, _frame: FrameType | None) -> None:
        rung.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, ring) for number in (signal.SIGALRM, signal.SIGTERM)}
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _answer(settings: Settings, run: RunDirectory, seconds: float) -> Answer:
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
        "headline": headline_data(record),
        "files": files,
        "next": commands,
    }
    return Answer(text, data, error_of(record), hints=[f"next: {line}" for line in commands])
