"""The record of a run, and the directory it lies in."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from tunebook.config import ALONE
from tunebook.errors import ConfigError, MachineError, Problem, did_you_mean
from tunebook.results import Baseline as Baseline
from tunebook.results import Comparison as Comparison
from tunebook.results import CurvePoint as CurvePoint
from tunebook.results import Estimate as Estimate
from tunebook.results import EvalReport as EvalReport
from tunebook.results import Part as Part
from tunebook.results import Reused as Reused
from tunebook.writing import write_atomically as write_atomically
from tunebook.writing import write_problem as write_problem

SCHEMA_VERSION = 1
BATCHES = "batches"
"""Folder of a runs folder that holds its batches; the runs of each lie in its `runs`."""
PLUGINS = "plugins"
"""Folder of a run or a batch with the source of plugins that no distribution holds."""
Status = Literal["running", "succeeded", "failed", "stopped", "timed_out"]


class TaskRecord(Part):
    """What a record keeps of one task of several."""

    data: dict[str, Any] = Field(default_factory=dict)
    report: EvalReport | None = None


class Resumption(Part):
    """A run that was taken up again.

    Attributes:
        time: When, in seconds since the epoch.
        stage: The training that went on, empty where the run started anew.
        step: Optimiser steps of it that were kept.
        seconds: Wall time of all attempts before, what was lost included.
    """

    time: float
    stage: str
    step: int
    seconds: float


class RunRecord(Part):
    """`record.json`: all that a reader or a leaderboard needs to know of a run.

    Attributes:
        started: When the first attempt began.
        resumed: How often, and from where, the run was taken up again.
        seconds: Wall time by stage, and in total, over all attempts. What a killed attempt spent in
            a stage that it didn't finish is in the total only.
        peak_memory_mb: Largest resident set of the process during the run.
        parameters: Trainable and total numbers, and the share.
        precision: What was computed in, and why.
        report: The result on the split that the run is judged on, None until there is one, or
            where there are tasks.
        tasks: Data and results by task, where several share the model.
        kernel: The kernel that it ran in (`kind`: warm or cold) and why; empty without one.
        code: SHA-256 of the source of tunebook and of what its plugins are in, by package or file.
        outputs: SHA-256 of the saved weights by file, and of the predictions of each task.
        controls: What was asked of the run while it trained, and done; see `tunebook.controls`.
        reused: What came from the cache. The time that it had taken is not in `seconds`.
        error: The error in its one shape when the run did not succeed.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    case: str
    strategy: str
    seed: int
    status: Status = "running"
    started: float
    finished: float | None = None
    resumed: tuple[Resumption, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    plugins: dict[str, str] = Field(default_factory=dict)
    code: dict[str, str] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    precision: dict[str, str] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    peak_memory_mb: float | None = None
    report: EvalReport | None = None
    tasks: dict[str, TaskRecord] = Field(default_factory=dict)
    learning_curve: tuple[CurvePoint, ...] = ()
    reused: tuple[Reused, ...] = ()
    outputs: dict[str, str] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    controls: tuple[dict[str, Any], ...] = ()
    kernel: dict[str, str] = Field(default_factory=dict)
    error: dict[str, Any] | None = None

    def updated(self, **changes: Any) -> RunRecord:
        """Returns a copy with `changes`."""
        return self.model_copy(update=changes)

    def with_tasks(self, found: Mapping[str, TaskRecord]) -> RunRecord:
        """Returns a copy with the data and the result of each task, or of the only one."""
        if ALONE in found:
            return self.updated(data=found[ALONE].data, report=found[ALONE].report)
        return self.updated(tasks=dict(found))

    def by_task(self) -> dict[str, RunRecord]:
        """Returns a record for each task; that of a single-task run is its own, `ALONE`."""
        if not self.tasks:
            return {ALONE: self}
        return {
            name: self.updated(data=task.data, report=task.report, tasks={})
            for name, task in self.tasks.items()
        }


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run and the names in it."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def runs_dir(self) -> Path:
        """Where this run and its siblings lie, also when it is one of a batch."""
        home = self.path.parents[1]
        in_batch = self.path.parent.name == "runs" and home.parent.name == BATCHES
        return home.parents[1] if in_batch else home

    @property
    def case_file(self) -> Path:
        return self.path / "case.json"

    @property
    def record_file(self) -> Path:
        return self.path / "record.json"

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def control_file(self) -> Path:
        return self.path / "control.jsonl"

    @property
    def log_file(self) -> Path:
        return self.path / "log.txt"

    @property
    def launch_file(self) -> Path:
        return self.path / "launch.json"

    @property
    def notebook(self) -> Path:
        return self.path / "notebook.ipynb"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.parquet"

    @property
    def errors(self) -> Path:
        return self.path / "errors.parquet"

    @property
    def plugins(self) -> Path:
        """Source of the plugins that no distribution holds."""
        return self.path / PLUGINS

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def of_task(self, name: str) -> RunDirectory:
        """Returns where predictions, errors, figures and report of a task lie."""
        return RunDirectory(self.path / "tasks" / name) if name != ALONE else self

    @classmethod
    def create(cls, runs_dir: Path, case: str, label: str) -> RunDirectory:
        """Makes a new, empty run directory `runs_dir/case/<time>-<label>-<random>`.

        Raises:
            MachineError: The folder cannot be made.
        """
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path = runs_dir / case / f"{stamp}-{label}-{secrets.token_hex(2)}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise MachineError(write_problem(path, error)) from error
        return cls(path)

    def write_case(self, case: Mapping[str, Any]) -> None:
        write_atomically(self.case_file, _to_json(case))

    def write_record(self, record: RunRecord) -> None:
        write_atomically(self.record_file, _to_json(record.model_dump(mode="json")))

    def read_case(self) -> dict[str, Any]:
        return _read_json(self.case_file)

    def read_record(self) -> RunRecord:
        """Returns the record.

        Raises:
            ConfigError: It is damaged, or was written by a newer tunebook.
        """
        content = _read_json(self.record_file)
        version = content.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise ConfigError(
                Problem(
                    "record.newer",
                    str(self.record_file),
                    f"schema_version of at most {SCHEMA_VERSION}",
                    str(version),
                    "update tunebook to read this run",
                )
            )
        try:
            return RunRecord.model_validate(content)
        except ValidationError as error:
            raise ConfigError(_damaged(self.record_file, str(error.errors()[0]["msg"]))) from error


def runs_folder(given: str | Path | None = None) -> Path:
    """Returns where runs are: `given`, else what ``TUNEBOOK_RUNS_DIR`` says, else ``runs``."""
    return Path(given or os.environ.get("TUNEBOOK_RUNS_DIR") or "runs")


def find_runs(runs_dir: Path) -> list[RunDirectory]:
    """Returns all runs below `runs_dir`, oldest first. The points of a learning curve, which lie
    inside their run, are not listed."""
    patterns = ("*/*/record.json", f"{BATCHES}/*/runs/*/record.json")
    files = (file for pattern in patterns for file in runs_dir.glob(pattern))
    return sorted((RunDirectory(file.parent) for file in files), key=lambda run: run.run_id)


def find_run(runs_dir: Path, name: str) -> RunDirectory:
    """Returns the run that `name` means: a folder, a run id, or its unambiguous beginning;
    ``last`` is the newest.

    Raises:
        ConfigError: There is no such run, or more than one.
    """
    with suppress(OSError):  # a name may be longer than a file system takes
        if (Path(name) / "record.json").is_file():
            return RunDirectory(Path(name).resolve())
    runs = find_runs(runs_dir)
    if name == "last" and runs:
        return max(runs, key=lambda run: run.record_file.stat().st_mtime)
    matches = [run for run in runs if run.run_id == name] or [
        run for run in runs if run.run_id.startswith(name)
    ]
    if len(matches) == 1:
        return matches[0]
    ids = [run.run_id for run in (matches or runs)]
    raise ConfigError(
        Problem(
            "run.ambiguous" if matches else "run.unknown",
            str(runs_dir),
            "one run",
            f"{len(matches)} that begin with `{name:.100}`",
            did_you_mean(name, ids) if not matches else "give more of the id: " + ", ".join(ids),
        )
    )


def iter_records(runs_dir: Path) -> Iterator[tuple[RunDirectory, RunRecord | ConfigError]]:
    """Yields each run with its record, or with the error that keeps it from being read."""
    for run in find_runs(runs_dir):
        try:
            yield run, run.read_record()
        except ConfigError as error:
            yield run, error


def _to_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(_damaged(path, str(error))) from error
    if not isinstance(content, dict):
        raise ConfigError(_damaged(path, f"a {type(content).__name__}"))
    return content


def _damaged(path: Path, found: str) -> Problem:
    return Problem(
        "record.unreadable", str(path), "a JSON object that tunebook wrote", found, "run it again"
    )
