"""Carries an audition out: a batch that grows by a rung at a time, until the budget is used up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunebook.audition.folder import AuditionFile, is_audition, read_audition
from tunebook.audition.halving import Rung, next_rung
from tunebook.audition.plan import (
    DEFAULT_BUDGET,
    DEFAULT_SEEDS,
    AuditionPlan,
    base_case,
    make_audition_plan,
    strategies_for,
)
from tunebook.audition.reading import Audition, RungResult
from tunebook.batch.drive import BatchResult, drive, executor_config
from tunebook.batch.folder import BatchFolder, find_batches
from tunebook.batch.opening import Prepared, prepare_batch, write_batch
from tunebook.batch.plan import BatchPlan, make_batch_plan
from tunebook.batch.scheduler import Ending, Listener
from tunebook.batch.states import Change
from tunebook.config import PluginConfig, TrainingConfig
from tunebook.data.loading import load_dataset
from tunebook.errors import MachineError
from tunebook.estimates import Measured, Work, measured_runs, rows_of
from tunebook.host import PluginHost
from tunebook.ownership import AUDITIONS, owned
from tunebook.records import runs_folder, write_problem

Teller = Callable[[Audition, str], object]
"""Told of an audition when a rung ``begins`` or ``ends``."""


@dataclass(frozen=True)
class Opened:
    """An audition that was checked. Nothing is written yet.

    Attributes:
        file: What is known of it, with a first rung at least.
        prepared: The batch with the rungs so far.
        existed: Whether it was begun before.
        executor: Where to run; `local` when None.
        plugin_files: Single-file plugins that runs load.
    """

    file: AuditionFile
    prepared: Prepared
    existed: bool
    executor: PluginConfig | None = None
    plugin_files: tuple[Path, ...] = ()

    @property
    def folder(self) -> BatchFolder:
        return self.prepared.folder


@dataclass(frozen=True)
class AuditionResult:
    """An audition after it was carried out as far as possible.

    Attributes:
        ending: Why it was left: `done`, or what ended its batch.
        ran: Attempts that were started this time.
        seconds: What this time took.
    """

    audition: Audition
    ending: Ending
    ran: int
    seconds: float


def open_audition(
    host: PluginHost,
    plan: AuditionPlan,
    runs_dir: Path,
    *,
    left_out: Mapping[str, str] | None = None,
    executor: PluginConfig | None = None,
    plugin_files: Iterable[Path] = (),
) -> Opened:
    """Checks an audition and finds where it lies; the same one with a larger budget goes on.

    Args:
        host: Plugins.
        plan: What is tried.
        runs_dir: Where runs lie.
        left_out: By strategy that can't be tried, why.
        executor: Where to run; `local` when None.
        plugin_files: Single-file plugins that runs load.

    Raises:
        TunebookError: With everything that is wrong.
    """
    config = executor_config(host, executor)
    host.require("executor", host.get("executor", config.kind))
    before = _before(plan, runs_dir)
    if before is None:
        file = _begin(host, plan, left_out or {})
    else:
        known = read_audition(before)
        more = plan.budget > known.plan.budget
        file = replace(known, plan=plan, ended=known.ended and not more)
    files = tuple(plugin_files)
    prepared = prepare_batch(host, _batch_of(host, file, executor), runs_dir, plugin_files=files)
    return Opened(file, prepared, before is not None, executor, files)


def carry_out(
    host: PluginHost,
    opened: Opened,
    *,
    listeners: Sequence[Listener] = (),
    tell: Teller = lambda *_: None,
) -> AuditionResult:
    """Carries out an audition to its end, or to that of its budget. Call it from the main thread.

    What is done is on disk after every change: killed at any moment, the same call goes on.

    Args:
        host: Plugins.
        opened: What to carry out.
        listeners: Told of every change of a run.
        tell: Told when a rung begins and ends.

    Raises:
        ConfigError: Another process carries it out.
        MachineError: The folder cannot be written to.
    """
    folder = opened.folder
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(write_problem(folder.path, error)) from error
    with owned(folder.path, AUDITIONS):
        return _Going(host, opened, opened.file, listeners, tell).run()


@dataclass
class _Going:
    """One go at an audition."""

    host: PluginHost
    opened: Opened
    file: AuditionFile
    listeners: Sequence[Listener]
    tell: Teller
    ran: int = 0
    seconds: float = 0.0

    def run(self) -> AuditionResult:
        ending = Ending("done")
        while not self.file.ended:
            if not self.file.rungs[-1].done:
                ending = self._try().ending
                if ending.reason == "timed_out":  # the budget is used up, as it was meant to be
                    ending = Ending("done")
                    self._keep(replace(self.file, ended=True))
                if ending.reason != "done":
                    break
            else:
                self._go_on()
        return AuditionResult(self.audition, ending, self.ran, self.seconds)

    @property
    def folder(self) -> BatchFolder:
        return self.opened.folder

    @property
    def audition(self) -> Audition:
        return Audition(self.folder, self.host)

    def _try(self) -> BatchResult:
        """Runs what the last rung lacks, for as long as the budget lasts."""
        limits = {"batch": max(self.file.left, 0.001)}
        plan = _batch_of(self.host, self.file, self.opened.executor, limits=limits)
        write_batch(
            prepare_batch(
                self.host, plan, self.folder.runs_dir, plugin_files=self.opened.plugin_files
            )
        )
        self._keep(self.file)
        self.tell(self.audition, "begins")
        spent = self.file.rungs[-1].seconds
        began = time.monotonic()

        def keep_time(_change: Change, _entry: object) -> None:
            self._keep(self.file.with_last(seconds=spent + time.monotonic() - began))

        result = drive(
            self.host,
            self.folder,
            executor=self.opened.executor,
            listeners=[*self.listeners, keep_time],
        )
        self.ran += result.ran
        self.seconds += result.seconds
        done = result.ending.reason == "done"
        self._keep(self.file.with_last(seconds=spent + result.seconds, done=done))
        if done:
            self.tell(self.audition, "ends")
        return result

    def _go_on(self) -> None:
        """Adds the next rung, or ends the audition."""
        rung = self._next()
        self._keep(self.file.with_rung(rung) if rung else replace(self.file, ended=True))

    def _next(self) -> Rung | None:
        last = self.audition.rungs[-1]
        config = executor_config(self.host, self.opened.executor)
        places = getattr(config, "slots_here", lambda: None)() or 1
        costs = _Costs.of(self.folder, last, places)
        return next_rung(
            [*last.rows],
            costs,
            rows=last.tried.rung.rows,
            all_rows=self.file.all_rows,
            seconds=self.file.left,
            places=places,
        )

    def _keep(self, file: AuditionFile) -> None:
        self.file = file
        file.write(self.folder)


@dataclass(frozen=True)
class _Costs:
    """What candidates would take on more rows, by what they took in a rung.

    Attributes:
        measured: Their runs of that rung, by candidate.
        overhead: The wall time of the rung over that of its runs: starts of processes, and
            whatever slowed it down.
    """

    measured: Mapping[str, Sequence[Measured]]
    overhead: float

    @classmethod
    def of(cls, folder: BatchFolder, rung: RungResult, places: int) -> _Costs:
        found = {each.run.run_id: each for each in measured_runs(folder.path)}
        measured = {
            name: [found[run.of.run.run_id] for run in row.runs if run.of.run.run_id in found]
            for name, row in rung.rows.items()
        }
        seconds = sum(each.seconds for some in measured.values() for each in some)
        overhead = rung.tried.seconds * places / seconds if seconds else 1.0
        return cls(measured, max(overhead, 1.0))

    def __call__(self, name: str, rows: int) -> float:
        runs = self.measured[name]
        return self.overhead * sum(each.predict(_work(each, rows)) for each in runs)


def _before(plan: AuditionPlan, runs_dir: Path) -> BatchFolder | None:
    """Returns the folder of an audition that was begun before, None for a new one."""
    for folder in find_batches(runs_dir.resolve()):
        if folder.batch_id.startswith(f"{plan.title}-") and is_audition(folder):
            return folder
    return None


def _begin(host: PluginHost, plan: AuditionPlan, left_out: Mapping[str, str]) -> AuditionFile:
    """Returns a new audition with its first rung, for which the data are looked at."""
    dataset = load_dataset(base_case(host, plan.case, plan.parameters), host)
    rows = int((dataset.split("train")["origin"] == "original").sum())
    file = AuditionFile(plan, rows, left_out)
    return file.with_rung(plan.first_rung(rows, len(dataset.form.classes)))


def _batch_of(
    host: PluginHost, file: AuditionFile, executor: PluginConfig | None, **own: Any
) -> BatchPlan:
    """Returns the batch that the rungs so far come to."""
    runs = [run for tried in file.rungs for _, run in file.plan.runs_of(tried.rung)]
    content = {"name": file.plan.title, "cases": [file.plan.case], "runs": runs}
    where = None if executor is None else executor.model_dump(mode="json")
    return make_batch_plan(host, {**content, "with_notebook": False, "executor": where, **own})


def _work(measured: Measured, rows: int) -> Work:
    """Returns what a run would do on so many training rows."""
    record, case = measured.run.read_record(), measured.run.read_case()
    validation = rows_of(record)["validation"]
    training = TrainingConfig.model_validate(case["training"])
    return Work.of(training, {"train": rows, "validation": validation})


def run_audition(
    case: str,
    candidates: Sequence[Mapping[str, Any]] | None = None,
    *,
    budget: float = DEFAULT_BUDGET,
    seeds: int = DEFAULT_SEEDS,
    parameters: Mapping[str, Any] | None = None,
    first_rows: int | None = None,
    runs_dir: str | Path | None = None,
    host: PluginHost | None = None,
) -> Audition:
    """Tries strategies on a case under a budget; one that was begun before goes on.

    All candidates are trained on few rows, the better half on more, until two have had all rows or
    the budget is used up (successive halving, arXiv:1502.07943). Scores are those of validation
    rows, with intervals and paired tests; test rows stay unseen.

    Args:
        case: Name of the case, or path of its file.
        candidates: What each candidate sets, by path, such as ``{"strategy": "lora"}``; every
            strategy that fits the case when None.
        budget: Seconds that all of it may take.
        seeds: Runs of each candidate in a rung.
        parameters: Values for every run.
        first_rows: Training rows of the first rung; when None, 256, or 8 for each class where that
            is more.
        runs_dir: Folder of the runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.
        host: Plugins; all installed ones when None.

    Raises:
        TunebookError: Something in it is wrong, or it could not go on. A failed run raises
            nothing: see `Audition.failures`.
    """
    host = host or PluginHost()
    shared = dict(parameters or {})
    content: dict[str, Any] = {
        "case": case,
        "parameters": shared,
        "budget": budget,
        "seeds": seeds,
        "first_rows": first_rows,
    }
    left_out: Mapping[str, str] = {}
    if candidates is None:
        candidates, left_out = strategies_for(host, case, shared)
    content["candidates"] = [dict(each) for each in candidates]
    plan = make_audition_plan(host, content)
    opened = open_audition(host, plan, runs_folder(runs_dir), left_out=left_out)
    return carry_out(host, opened).audition
