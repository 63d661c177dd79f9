"""Starting what was planned: a case in its notebook, or in the library alone."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tunebook.cases import find_case, resolve_case
from tunebook.config import CaseConfig
from tunebook.errors import TunebookError
from tunebook.host import PluginHost
from tunebook.notebooks.parameters import case_parameters, parameters_for, read_parameters
from tunebook.notebooks.processes import check_processes, run_processes
from tunebook.notebooks.supervision import (
    DEFAULT_START_TIMEOUT,
    DEFAULT_TIMEOUT,
    Outcome,
    execute_notebook,
)
from tunebook.notebooks.verdict import conclude
from tunebook.progress import RunFollower, progress_listener
from tunebook.records import RunDirectory, RunRecord


@dataclass(frozen=True)
class Plan:
    """What is going to run: a validated case, and the notebook to run it in, if any."""

    case: CaseConfig
    notebook: Path | None
    injected: Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """Seconds that a run may take, and that its kernel may take to answer."""

    timeout: float = DEFAULT_TIMEOUT
    start_timeout: float = DEFAULT_START_TIMEOUT


def make_plan(
    host: PluginHost, name: str, given: Mapping[str, Any], *, with_notebook: bool = True
) -> Plan:
    """Returns what to run, validated with the values that the notebook itself brings along.

    Raises:
        ConfigError: The case, a parameter or the notebook's parameters cell is wrong.
    """
    notebook = find_case(host, name).notebook if with_notebook else None
    if notebook is None:
        return Plan(resolve_case(host, name, given), None, {})
    injected = parameters_for(notebook, given)
    own = read_parameters(notebook).keys() - {*CaseConfig.model_fields, "preset"}
    values = case_parameters(notebook, injected)
    of_case = {key: value for key, value in values.items() if key not in own}
    return Plan(resolve_case(host, name, of_case), notebook, injected)


def begin(runs_dir: Path, case: CaseConfig) -> tuple[RunDirectory, RunRecord]:
    """Makes the run directory, with a record that says that it is running."""
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


def launch(
    plan: Plan,
    host: PluginHost,
    runs_dir: Path,
    *,
    plugin_files: Sequence[str | Path] = (),
    limits: Limits = Limits(),
    processes: int = 1,
    debug: bool = False,
) -> tuple[RunDirectory, RunRecord]:
    """Runs a plan into a new directory below `runs_dir`; returns it with its final record.

    Whatever happens to the run is in its record. Call it from the main thread.

    Args:
        plan: What to run.
        host: Plugins.
        runs_dir: Where run directories are made.
        plugin_files: Single-file plugins that a kernel loads as well.
        limits: How long it may take.
        processes: How many train the model together, see `tunebook.notebooks.processes`.
        debug: Whether to print the traceback of what goes wrong.

    Raises:
        ConfigError: The plan is not for so many processes.
    """
    if processes > 1:
        check_processes(plan.case, plan.notebook, processes)
    run, record = begin(runs_dir, plan.case)
    try:
        if processes > 1:
            follow = RunFollower(run.path, progress_listener()).poll
            outcome = run_processes(run, processes, plugin_files, limits.timeout, follow)
        elif plan.notebook is None:
            outcome = _run_library(run, plan, host, limits)
        else:
            outcome = _run_notebook(run, plan, plugin_files, limits)
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exception(error)
        outcome = _outcome_of(error)
    return run, conclude(run, outcome, record)


def _run_notebook(
    run: RunDirectory, plan: Plan, plugin_files: Sequence[str | Path], limits: Limits
) -> Outcome:
    assert plan.notebook is not None
    return execute_notebook(
        plan.notebook,
        run,
        plan.injected,
        plugin_files=plugin_files,
        timeout=limits.timeout,
        start_timeout=limits.start_timeout,
        on_poll=RunFollower(run.path, progress_listener()).poll,
    )


def _run_library(run: RunDirectory, plan: Plan, host: PluginHost, limits: Limits) -> Outcome:
    listener = progress_listener()
    os.environ["TUNEBOOK_RUN_DIR"] = str(run.path)
    rung: list[int] = []
    try:
        with _interrupted_after(limits.timeout, rung):
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
