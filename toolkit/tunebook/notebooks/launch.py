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

from tunebook.cases import CaseResolver
from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, TunebookError
from tunebook.host import PluginHost
from tunebook.notebooks.launched import Launched
from tunebook.notebooks.parameters import parameters_for, read_parameters, settings_of_case
from tunebook.notebooks.processes import check_processes, run_processes
from tunebook.notebooks.supervision import (
    DEFAULT_START_TIMEOUT,
    DEFAULT_TIMEOUT,
    KernelChoice,
    Outcome,
    execute_notebook,
)
from tunebook.notebooks.verdict import conclude
from tunebook.ownership import LAUNCHES, check_free, owned
from tunebook.progress import RunFollower, progress_listener
from tunebook.records import RunDirectory, RunRecord
from tunebook.resumption import RESUME, check_readable, earlier_record, finished, now_running
from tunebook.schema import CaseSchema
from tunebook.shipping import check_shippable, files_for, keep_sources, made_here


@dataclass(frozen=True)
class Plan:
    """What is going to run: a validated case, and the notebook to run it in, if any.

    Attributes:
        injected: Parameters that go into the notebook.
        processes: How many train the model together, see `tunebook.notebooks.processes`.
    """

    case: CaseConfig
    notebook: Path | None
    injected: Mapping[str, Any]
    processes: int = 1


@dataclass(frozen=True)
class Limits:
    """Seconds that a run may take, and that its kernel may take to answer; what kernel it gets."""

    timeout: float = DEFAULT_TIMEOUT
    start_timeout: float = DEFAULT_START_TIMEOUT
    kernel: KernelChoice = "cold"


def make_plan(
    host: PluginHost, name: str, given: Mapping[str, Any], *, with_notebook: bool = True
) -> Plan:
    """Returns what to run, validated with the values that the notebook itself brings along.

    Raises:
        ConfigError: The case, a parameter or the notebook's parameters cell is wrong.
    """
    return Planner(host, name, with_notebook=with_notebook).plan(given)


class Planner:
    """Plans many runs of one case, whose file and notebook are read once.

    Raises:
        ConfigError: The case or the notebook's parameters cell is wrong.
    """

    def __init__(
        self,
        host: PluginHost,
        name: str,
        *,
        with_notebook: bool = True,
        schema: CaseSchema | None = None,
    ) -> None:
        self._resolver = CaseResolver(host, name, schema)
        self.notebook = self._resolver.file.notebook if with_notebook else None
        self._listed = read_parameters(self.notebook) if self.notebook else {}

    def plan(self, given: Mapping[str, Any]) -> Plan:
        """Returns what to run.

        Raises:
            ConfigError: A parameter is wrong.
        """
        if self.notebook is None:
            return Plan(self._resolver.resolve(given), None, {})
        injected = parameters_for(self.notebook, given, self._listed)
        of_case = settings_of_case(self._listed, injected)
        return Plan(self._resolver.resolve(of_case), self.notebook, injected)


def begin(runs_dir: Path, case: CaseConfig) -> tuple[RunDirectory, RunRecord]:
    """Makes the run directory, with a record that says that it is running."""
    run = RunDirectory.create(runs_dir, case.name, f"{case.strategy.kind}-s{case.seed}")
    return run, begin_in(run, case)


def begin_in(run: RunDirectory, case: CaseConfig) -> RunRecord:
    """Writes the case and a record that says that it is running into an empty run directory."""
    record = blank_record(run, case)
    run.write_case(case.to_json_dict())
    run.write_record(record)
    return record


def blank_record(run: RunDirectory, case: CaseConfig) -> RunRecord:
    """Returns what the record of a run says before anything has been done."""
    return RunRecord(
        run_id=run.run_id,
        case=case.name,
        strategy=case.strategy.kind,
        seed=case.seed,
        started=time.time(),
    )


def launch(
    plan: Plan,
    host: PluginHost,
    runs_dir: Path,
    *,
    plugin_files: Sequence[str | Path] = (),
    limits: Limits = Limits(),
    debug: bool = False,
) -> tuple[RunDirectory, RunRecord]:
    """Runs a plan into a new directory below `runs_dir`; returns it with its final record.

    Whatever happens to the run is in its record. Call it from the main thread.

    Args:
        plan: What to run.
        host: Plugins.
        runs_dir: Where run directories are made.
        plugin_files: Single-file plugins that a kernel loads, beside those of the host.
        limits: How long it may take.
        debug: Whether to print the traceback of what goes wrong.

    Raises:
        ConfigError: The plan is not for so many processes, or a plugin that was made in this
            session cannot be had by another process.
    """
    if plan.notebook is not None or plan.processes > 1:
        check_shippable(host)
    if plan.processes > 1:
        check_processes(plan.case, plan.notebook, plan.processes)
    run, record = begin(runs_dir, plan.case)
    return run, carry_out(
        run, record, plan, host, plugin_files=plugin_files, limits=limits, debug=debug
    )


def carry_out(
    run: RunDirectory,
    record: RunRecord,
    plan: Plan,
    host: PluginHost,
    *,
    plugin_files: Sequence[str | Path] = (),
    limits: Limits = Limits(),
    debug: bool = False,
) -> RunRecord:
    """Runs a plan in a directory that `begin` or `begin_in` has made; returns its final record."""
    plugin_files = files_for(host, run.plugins, plugin_files)
    with owned(run.path, LAUNCHES):
        keep_sources(made_here(host), run.plugins)
        Launched.now(plan.notebook, plan.injected, plugin_files, plan.processes).keep(run)
        return _carried_out(run, record, plan, host, plugin_files, limits, debug)


def resume(
    run: RunDirectory, host: PluginHost, *, limits: Limits = Limits(), debug: bool = False
) -> tuple[RunDirectory, RunRecord]:
    """Launches a run again that was cut short, in its directory; returns it with its final record.

    It goes on from its last checkpoint, see `tunebook.runner.resume_run`. A run that has succeeded
    is left alone. Call it from the main thread.

    Args:
        run: Where it lies.
        host: Plugins; those of files that it was launched with are added.
        limits: How long this attempt may take.
        debug: Whether to print the traceback of what goes wrong.

    Raises:
        ConfigError: Somebody works on the run, a newer tunebook wrote it, or what it was launched
            with is damaged or gone. Nothing has been changed then.
    """
    host, case, launched = check_resumable(run, host)
    record = earlier_record(run, blank_record(run, case))
    if _complete(run, record):
        return run, record
    plan = Plan(case, launched.notebook, launched.injected, launched.processes)
    with owned(run.path, LAUNCHES), _asking_to_resume():
        if record.status != "succeeded":
            record = now_running(run, _warned(record, launched.changed))
        return run, _carried_out(
            run, record, plan, host, launched.plugin_files, limits, debug, resumes=True
        )


def check_resumable(run: RunDirectory, host: PluginHost) -> tuple[PluginHost, CaseConfig, Launched]:
    """Returns what a run can be taken up with: its plugins, its case, how it was launched.

    Raises:
        ConfigError: As `resume` says.
    """
    check_free(run.path)
    check_readable(run)
    launched = Launched.of(run)
    content = run.read_case()
    if launched.plugin_files and launched.notebook is None:
        host = PluginHost(files=launched.plugin_files)
    return host, CaseSchema(host).validate(content), launched


def is_complete(run: RunDirectory) -> bool:
    """Whether nothing of a run is left to do.

    Raises:
        ConfigError: Its case is damaged.
    """
    try:
        return _complete(run, run.read_record())
    except ConfigError:
        run.read_case()
        return False


def _complete(run: RunDirectory, record: RunRecord) -> bool:
    """Whether a run has succeeded, with its learning curve if it was to have one."""
    curve = run.read_case().get("evaluation", {}).get("learning_curve")
    done = finished(run) and record.status == "succeeded"
    return done and bool(record.learning_curve or not curve)


def _warned(record: RunRecord, changed: Sequence[str]) -> RunRecord:
    texts = [
        f"{file} changed since the run began: the result may differ from that of an unbroken run"
        for file in changed
    ]
    new = [text for text in texts if text not in record.warnings]
    return record.updated(warnings=(*record.warnings, *new))


@contextlib.contextmanager
def _asking_to_resume() -> Iterator[None]:
    """Has the next `run_case`, here or in a kernel that is started, go on with a run."""
    os.environ[RESUME] = "1"
    try:
        yield
    finally:
        os.environ.pop(RESUME, None)


def _carried_out(
    run: RunDirectory,
    record: RunRecord,
    plan: Plan,
    host: PluginHost,
    plugin_files: Sequence[str | Path],
    limits: Limits,
    debug: bool,
    *,
    resumes: bool = False,
) -> RunRecord:
    try:
        if plan.processes > 1:
            follower = RunFollower(run.path, progress_listener(), from_now=resumes)
            outcome = run_processes(
                run, plan.processes, plugin_files, limits.timeout, follower.poll
            )
        elif plan.notebook is None:
            outcome = _run_library(run, plan, host, limits)
        else:
            outcome = _run_notebook(run, plan, plugin_files, limits, resumes)
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exception(error)
        outcome = _outcome_of(error)
    return conclude(run, outcome, record)


def _run_notebook(
    run: RunDirectory,
    plan: Plan,
    plugin_files: Sequence[str | Path],
    limits: Limits,
    resumes: bool,
) -> Outcome:
    assert plan.notebook is not None
    follower = RunFollower(run.path, progress_listener(), from_now=resumes)
    return execute_notebook(
        plan.notebook,
        run,
        plan.injected,
        plugin_files=plugin_files,
        timeout=limits.timeout,
        start_timeout=limits.start_timeout,
        kernel=limits.kernel,
        on_poll=follower.poll,
    )


def _run_library(run: RunDirectory, plan: Plan, host: PluginHost, limits: Limits) -> Outcome:
    listener = progress_listener()
    os.environ["TUNEBOOK_RUN_DIR"] = str(run.path)
    rung: list[int] = []
    try:
        with _interrupted_after(limits.timeout, rung):
            from tunebook.learning_curve import trace_learning_curve
            from tunebook.runner import run_case

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
