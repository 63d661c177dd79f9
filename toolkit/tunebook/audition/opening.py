"""Where an audition lies: a new one, or its own from before; nothing is carried out here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunebook.audition.folder import AuditionFile, is_audition, read_audition
from tunebook.audition.plan import AuditionPlan, base_case
from tunebook.batch.drive import executor_config
from tunebook.batch.folder import BatchFolder, find_batches
from tunebook.batch.opening import Prepared, prepare_batch, write_batch
from tunebook.batch.plan import BatchPlan, make_batch_plan
from tunebook.config import PluginConfig
from tunebook.data.loading import load_dataset
from tunebook.host import PluginHost
from tunebook.ownership import AUDITIONS, owned


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
    file = _begin(host, plan, left_out or {}) if before is None else taken_up(before, plan)
    files, plan_now = tuple(plugin_files), batch_of(host, file, executor)
    if before is None:
        prepared = prepare_batch(host, plan_now, runs_dir, plugin_files=files)
    else:
        prepared = prepare_in(before, host, plan_now, files)
    return Opened(file, prepared, before is not None, executor, files)


def prepare_in(
    folder: BatchFolder, host: PluginHost, plan: BatchPlan, plugin_files: Iterable[Path]
) -> Prepared:
    """Checks a plan for the batch in `folder`, and for no other one that might suit.

    Raises:
        TunebookError: With everything that is wrong with it.
    """
    there = str(folder.path) if folder.plan_file.exists() else None
    return prepare_batch(host, plan, folder.runs_dir, extend=there, plugin_files=plugin_files)


def write_audition(opened: Opened) -> None:
    """Writes an audition that another process is to carry out, see `carry_out`.

    Raises:
        ConfigError: Another process drives its batch.
        MachineError: The place cannot be written to.
    """
    write_batch(opened.prepared)
    with owned(opened.folder.path, AUDITIONS):
        opened.file.write(opened.folder)


def taken_up(folder: BatchFolder, plan: AuditionPlan) -> AuditionFile:
    """Returns what is known of an audition that was begun before; a larger budget opens it again.

    Raises:
        ConfigError: Its file is damaged or too new.
    """
    known = read_audition(folder)
    more = plan.budget > known.plan.budget
    return replace(known, plan=plan, ended=known.ended and not more)


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


def batch_of(
    host: PluginHost, file: AuditionFile, executor: PluginConfig | None, **own: Any
) -> BatchPlan:
    """Returns the batch that the rungs so far come to; `own` are other settings of it."""
    runs = [run for tried in file.rungs for _, run in file.plan.runs_of(tried.rung)]
    content = {"name": file.plan.title, "cases": [file.plan.case], "runs": runs}
    where = None if executor is None else executor.model_dump(mode="json")
    return make_batch_plan(host, {**content, "with_notebook": False, "executor": where, **own})
