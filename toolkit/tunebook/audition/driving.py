"""Carries an audition out: a batch that grows by a rung at a time, until the budget is used up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunebook.audition.costs import Costs
from tunebook.audition.folder import AuditionFile, is_audition
from tunebook.audition.halving import Rung, next_rung
from tunebook.audition.opening import Opened, batch_of, open_audition, prepare_in, taken_up
from tunebook.audition.plan import (
    DEFAULT_BUDGET,
    DEFAULT_SEEDS,
    make_audition_plan,
    strategies_for,
)
from tunebook.audition.reading import Audition
from tunebook.audition.sentences import begins, ends
from tunebook.batch.drive import BatchResult, drive, executor_config
from tunebook.batch.folder import BatchFolder
from tunebook.batch.opening import write_batch
from tunebook.batch.scheduler import Ending, Listener
from tunebook.batch.states import Change
from tunebook.errors import MachineError
from tunebook.host import PluginHost
from tunebook.ownership import AUDITIONS, owned
from tunebook.records import runs_folder, write_problem

Teller = Callable[[Audition, str], object]
"""Told of an audition when a rung ``begins`` or ``ends``."""


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
        # whoever had it until now may have got further since it was opened
        file = taken_up(folder, opened.file.plan) if is_audition(folder) else opened.file
        return _Going(host, opened, file, listeners, tell).run()


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
            if self.file.rungs[-1].done:
                self._go_on()
            elif not self.file.left:
                self._keep(replace(self.file, ended=True))
            else:
                ending = self._try().ending
                if ending.reason == "timed_out" and ending.trouble is None:
                    # the budget is used up, as it was meant to be
                    ending = Ending("done")
                    self._keep(replace(self.file, ended=True))
                if ending.reason != "done":
                    break
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
        plan = batch_of(self.host, self.file, self.opened.executor, limits=limits)
        write_batch(prepare_in(self.folder, self.host, plan, self.opened.plugin_files))
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
            only=self.file.plan.keys_of(self.file.rungs[-1].rung),
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
        costs = Costs.of(self.folder, last, places)
        return next_rung(
            [*last.rows],
            costs,
            rows=last.tried.rung.rows,
            all_rows=self.file.all_rows,
            seeds=self.file.plan.seeds,
            seconds=self.file.left,
            places=places,
        )

    def _keep(self, file: AuditionFile) -> None:
        self.file = file
        file.write(self.folder)


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

    All candidates are trained on few rows, at most the better half on more, until those that are
    left have had all rows or the budget is used up (successive halving, arXiv:1502.07943). Scores
    are those of validation rows, with intervals and paired tests; test rows stay unseen.

    Args:
        case: Name of the case, or path of its file.
        candidates: What each candidate sets, by path, such as ``{"strategy": "lora"}``; every
            strategy that fits the case when None.
        budget: Seconds that all of it may take.
        seeds: Runs of each candidate in a rung; the first of several rungs has one.
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
    result = carry_out(host, opened, tell=_print)
    if result.ending.trouble is not None:
        raise result.ending.trouble
    return result.audition


def _print(audition: Audition, what: str) -> None:
    """Says in a notebook where it has got to."""
    said = begins(audition) if what == "begins" else ends(audition)
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
