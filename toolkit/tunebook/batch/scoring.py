"""The runs of a batch on their test rows: what they said, and what that scores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tunebook.batch.comparing import Scored, units_of
from tunebook.batch.entry import Entry
from tunebook.batch.kept import Kept, state_of
from tunebook.config import ALONE, TaskConfig, lay_over
from tunebook.contracts import AnyPredictions, Metric
from tunebook.data.dataset import PAIR
from tunebook.errors import ConfigError, Problem, TunebookError
from tunebook.evaluation.bootstrap import draw
from tunebook.events import read_events
from tunebook.forms import UNSCALED, Scale, TaskForm, form_of
from tunebook.host import PluginHost
from tunebook.records import EvalReport, RunDirectory, RunRecord

RESAMPLES = 1000
IDENTITY = ("id", "text", PAIR, "label", "group")
"""What two tables of predictions agree on if they are about the same test rows."""


@dataclass(frozen=True)
class TaskRun:
    """One task of one finished run, as a leaderboard looks at it.

    Attributes:
        task: Name of the task, `ALONE` for the only one.
        record: The run's record, with the data and the result of that task.
        case: The case of that task, as it was run.
    """

    entry: Entry
    run: RunDirectory
    task: str
    record: RunRecord
    case: Mapping[str, Any]

    @property
    def report(self) -> EvalReport:
        assert self.record.report is not None
        return self.record.report

    @property
    def predictions_file(self) -> Path:
        return self.run.of_task(self.task).predictions

    @property
    def form(self) -> TaskForm:
        scale = self.record.data.get("scale")
        return form_of(
            TaskConfig.model_validate(self.case.get("task", {})),
            self.report.classes,
            Scale(**scale) if scale else UNSCALED,
        )

    @cached_property
    def frame(self) -> pd.DataFrame:
        return pd.read_parquet(self.predictions_file)

    @property
    def grouped(self) -> bool:
        return self.report.resampled == "group" and "group" in self.frame

    @property
    def groups(self) -> np.ndarray | None:
        """Shape (n,), the group of each test row, None where rows are resampled."""
        return self.frame["group"].to_numpy(dtype=object) if self.grouped else None

    @property
    def predictions(self) -> AnyPredictions:
        """Targets of the test rows and what the model said."""
        form = self.form
        targets = form.targets([form.read(cell) for cell in self.frame["label"]])
        return form.predictions(targets, form.outputs_in(self.frame))

    @property
    def units(self) -> np.ndarray:
        """Shape (n,), the number of the row or group that each row is resampled with."""
        return units_of(len(self.frame), self.groups)

    def forget(self) -> None:
        """Lets the table go, which may be large."""
        self.__dict__.pop("frame", None)

    def validation(self, score: str) -> float | None:
        """Returns the best validation score, or what the run had of `score` at that step."""
        best = self.record.training.get("best")
        if self.task == ALONE and score == self.report.primary and best is not None:
            return _finite(best)
        name = score if self.task == ALONE else f"{self.task}.{score}"
        kept = [e for e in read_events(self.run.events_file) if e.get("best")]
        return _finite(kept[-1].get("scores", {}).get(name)) if kept else None


def task_runs(entry: Entry) -> Iterator[TaskRun]:
    """Yields the tasks of a run that has succeeded.

    Raises:
        ConfigError: Its folder is gone, its record is damaged or of a newer version, or it says
            nothing of a result.
    """
    if entry.run is None or not entry.run.path.is_dir():
        raise ConfigError(_unusable(entry, "its folder is gone"))
    record, case = entry.run.read_record(), entry.run.read_case()
    own = case.pop("tasks", {})
    for name, each in record.by_task().items():
        if each.report is None:
            raise ConfigError(_unusable(entry, f"its record says {record.status} and no result"))
        yield TaskRun(entry, entry.run, name, each, lay_over(case, own.get(name, {})))


class Scorer:
    """Scores runs by one metric; what was worked out once is kept beside the batch."""

    def __init__(self, host: PluginHost, kept: Kept) -> None:
        self.host, self.kept = host, kept

    def metric_of(self, run: TaskRun, score: str) -> Metric:
        """Returns the metric of a run's case that gives `score`.

        Raises:
            ConfigError: None does, or its plugin isn't installed.
        """
        kind = run.form.kind.name
        for content in run.case.get("metrics", []):
            plugin = self.host.get("metric", content["kind"])
            if score in plugin.scores_of(kind):
                metric: Metric = self.host.create("metric", plugin.config.model_validate(content))
                return metric
        raise ConfigError(_unusable(run.entry, f"no metric of its case gives `{score}`"))

    def is_minimised(self, run: TaskRun, score: str) -> bool:
        """Whether `score` is better the lower it is."""
        names = [content["kind"] for content in run.case.get("metrics", [])]
        return any(score in self.host.get("metric", name).lower_is_better for name in names)

    def score(self, run: TaskRun, score: str) -> Scored:
        """Returns a run's score on its test rows and on resamples of them.

        Raises:
            ConfigError: The table of predictions is missing or damaged, or the score isn't
                defined.
        """
        if score not in run.report.scores:
            there = ", ".join(run.report.scores)
            raise ConfigError(_unusable(run.entry, f"it has no `{score}`, only {there}"))
        try:
            source: list[Any] = ["scored", run.run.run_id, run.task, score, run.report.resampled]
            source += [RESAMPLES, [*run.report.classes], state_of(run.predictions_file)]
            found = self.kept.arrays(source, lambda: self._resample(run, score))
        except TunebookError:
            raise
        except FileNotFoundError:
            raise ConfigError(_unusable(run.entry, "its predictions are gone")) from None
        except Exception as error:  # parquet, pandas and a plugin's metric each have their own
            found_instead = f"its predictions cannot be scored: {type(error).__name__}: {error}"
            raise ConfigError(_unusable(run.entry, found_instead)) from error
        finally:
            run.forget()
        test = bytes(found["test"]).hex()
        value = float(found["value"])
        if not np.isfinite(value):
            raise ConfigError(_unusable(run.entry, f"`{score}` isn't defined on its test rows"))
        return Scored(run.record.seed, test, value, found["samples"])

    def _resample(self, run: TaskRun, score: str) -> dict[str, np.ndarray]:
        metric, predictions, groups = self.metric_of(run, score), run.predictions, run.groups
        digest = test_digest(run)
        # the same resamples for every run of a test set, others for another test set
        seed = int.from_bytes(digest[:4], "big")
        draws = draw(len(run.frame), groups, RESAMPLES, seed)
        return {
            "test": np.frombuffer(digest, dtype=np.uint8),
            "value": np.array(metric.compute(predictions).scores[score]),
            "samples": np.asarray(metric.resample(predictions, draws)[score], dtype=float),
        }


def test_digest(run: TaskRun) -> bytes:
    """Returns what names a test set: a hash of ids, texts, labels and groups in their order, of the
    classes, and of what is resampled.

    The fingerprint in a record is of all rows, so that it differs with every training set that a
    seed draws; whether two runs can be compared depends on the rows that they were scored on.
    """
    digest = hashlib.sha256(repr([*run.report.classes, run.grouped]).encode())
    for name in IDENTITY:
        if name in run.frame:
            digest.update(name.encode())
            hashes = pd.util.hash_pandas_object(run.frame[name], index=False)
            digest.update(hashes.to_numpy().tobytes())
    return digest.digest()[:16]


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _unusable(entry: Entry, found: str) -> Problem:
    where = str(entry.run.path) if entry.run else entry.key
    fix = "run it again, or leave it out of the comparison"
    return Problem("leaderboard.unusable", where, "a finished run with its results", found, fix)
