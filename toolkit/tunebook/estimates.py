"""How long a run takes and what it needs, from the records of earlier ones; nothing is guessed.

A prediction says what it stands on, and how far off the same way of predicting has been for the
runs that it stands on, each foretold from the others.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunebook.config import CaseConfig, TrainingConfig
from tunebook.errors import ConfigError
from tunebook.progress import duration
from tunebook.records import RunDirectory, RunRecord, iter_records

MOST_MEASURED = 50
"""Runs of a basis that are looked at, the newest ones: machines and code change."""


def settings_digest(case: Mapping[str, Any]) -> str:
    """Returns a digest of a case without its seed: runs that share it repeat one another."""
    rest = {key: value for key, value in case.items() if key != "seed"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Work:
    """What a training does.

    Attributes:
        steps: Optimiser steps.
        examples: Inputs trained on, in all epochs together.
        scored: Rows of the validation split that are scored, in all evaluations together.
    """

    steps: int
    examples: int
    scored: int

    @classmethod
    def of(cls, training: TrainingConfig, splits: Mapping[str, int]) -> Work:
        """Returns the work of a training on splits of so many rows."""
        steps = training.planned_steps(splits.get("train", 0))
        rows = splits.get("validation", 0)
        return cls(
            steps,
            steps * training.batch_size * training.gradient_accumulation,
            training.evaluations * min(rows, training.evaluation_rows or rows),
        )


@dataclass(frozen=True)
class Measured:
    """What a run that has succeeded took.

    Attributes:
        settings: Digest of its case without the seed, empty where the case can't be read.
        seconds: From its begin to its end; of a resumed run, the time that was spent on it.
        training: Seconds of these that it trained and scored the validation split.
        scoring: Seconds of these that it scored.
        work: What it did meanwhile, None where its case or record doesn't say.
    """

    run: RunDirectory
    settings: str
    case: str
    strategy: str
    model: str
    seconds: float
    training: float
    scoring: float
    memory_mb: float | None
    work: Work | None

    def predict(self, work: Work | None) -> float:
        """Returns the seconds of another run: what is trained and scored in proportion, and the
        rest as it was."""
        own = self.work
        if own is None or work is None or not own.examples:
            return self.seconds
        stepping = (self.training - self.scoring) * work.examples / own.examples
        scoring = self.scoring * (work.scored / own.scored if own.scored else 1.0)
        return max(self.seconds - self.training, 0.0) + stepping + scoring


@dataclass(frozen=True)
class Wanted:
    """The run to be told of."""

    settings: str
    case: str
    strategy: str
    model: str
    work: Work | None = None

    @classmethod
    def of(cls, case: CaseConfig, work: Work | None = None) -> Wanted:
        """Returns what to look for among earlier runs."""
        content = case.to_json_dict()
        model = _model_of(content)
        return cls(settings_digest(content), case.name, case.strategy.kind, model, work)


BASES: Mapping[str, Callable[[Measured, Wanted], bool]] = {
    "the same settings": lambda m, w: m.settings == w.settings,
    "the same case, strategy and model": lambda m, w: (
        (m.case, m.strategy, m.model) == (w.case, w.strategy, w.model)
    ),
    "the same case and strategy": lambda m, w: (m.case, m.strategy) == (w.case, w.strategy),
    "the same strategy and model": lambda m, w: (m.strategy, m.model) == (w.strategy, w.model),
}
"""What a prediction may stand on, the best first."""


@dataclass(frozen=True)
class Prediction:
    """What a run will take.

    Attributes:
        basis: One of `BASES`, empty where nothing was measured yet.
        records: Runs that it is made from.
        seconds: The median of what they say.
        low: The least.
        high: The most.
        error: Median share by which a run was missed that was foretold from the others; None with
            fewer than two.
        largest_error: The largest such share.
        memory_mb: Most that any of them took.
        disk_mb: Most that the directory of any of them holds.
    """

    basis: str = ""
    records: int = 0
    seconds: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    largest_error: float | None = None
    memory_mb: float | None = None
    disk_mb: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "sentence": str(self)}

    def __str__(self) -> str:
        if self.seconds is None or self.low is None or self.high is None:
            return "nothing measured yet"
        spread = f" ({duration(self.low)} to {duration(self.high)})" if self.records > 1 else ""
        off = "how far off is not known"
        if self.error is not None and self.largest_error is not None:
            off = f"off by {self.error:.0%} in the median and {self.largest_error:.0%} at most"
        memory = f", up to {self.memory_mb:,.0f} MB of memory" if self.memory_mb else ""
        disk = f", {self.disk_mb:,.0f} MB of disk" if self.disk_mb is not None else ""
        runs = f"{self.records} run{'s' if self.records > 1 else ''} of {self.basis}"
        return f"about {duration(self.seconds)}{spread}{memory}{disk}; from {runs}, {off}"


def predict(earlier: Sequence[Measured], wanted: Wanted) -> Prediction:
    """Returns what a run will take, by the best basis that there is.

    Args:
        earlier: Runs that have succeeded, see `measured_runs`.
        wanted: The run.
    """
    for basis, fits in BASES.items():
        chosen = [each for each in earlier if fits(each, wanted)][-MOST_MEASURED:]
        if chosen:
            return _prediction(basis, chosen, wanted.work)
    return Prediction()


def measured_runs(runs_dir: Path) -> list[Measured]:
    """Returns what the runs below a folder took that have succeeded, oldest first."""
    return [*_measured_runs(runs_dir)]


def _measured_runs(runs_dir: Path) -> Iterator[Measured]:
    for run, record in iter_records(runs_dir):
        if isinstance(record, ConfigError) or record.status != "succeeded":
            continue
        seconds = _seconds(record)
        if seconds > 0:  # else the clock was set back
            yield _measured(run, record, seconds)


def _seconds(record: RunRecord) -> float:
    if record.finished is None or record.resumed:  # it may have lain for days
        return record.seconds.get("total", 0.0)
    return record.finished - record.started


def _measured(run: RunDirectory, record: RunRecord, seconds: float) -> Measured:
    case: dict[str, Any] = {}
    with suppress(ConfigError):
        case = run.read_case()
    training = record.training
    return Measured(
        run,
        settings_digest(case) if case else "",
        record.case,
        record.strategy,
        _model_of(case),
        seconds,
        float(training.get("seconds") or 0.0),
        float(training.get("evaluation_seconds") or 0.0),
        record.peak_memory_mb,
        _work_of(record, case),
    )


def _work_of(record: RunRecord, case: Mapping[str, Any]) -> Work | None:
    """Returns what a run did, which may be less than planned."""
    try:
        config = TrainingConfig.model_validate(case["training"])
        steps = int(record.training["steps"])
        splits = rows_of(record)
    except (KeyError, ValueError, TypeError):  # of another version
        return None
    planned = Work.of(config, splits)
    share = steps / planned.steps if planned.steps else 1.0
    examples = steps * config.batch_size * config.gradient_accumulation
    return Work(steps, examples, round(planned.scored * share))


def rows_of(record: RunRecord) -> dict[str, int]:
    """Returns the rows of each split, of all tasks together."""
    found = [each.data.get("splits", {}) for each in record.by_task().values()]
    return {name: sum(int(each.get(name, 0)) for each in found) for name in ("train", "validation")}


def _prediction(basis: str, chosen: Sequence[Measured], work: Work | None) -> Prediction:
    told = [each.predict(work) for each in chosen]
    errors = [*_errors(chosen)]
    memory = [each.memory_mb for each in chosen if each.memory_mb]
    return Prediction(
        basis,
        len(chosen),
        round(statistics.median(told), 1),
        round(min(told), 1),
        round(max(told), 1),
        round(statistics.median(errors), 3) if errors else None,
        round(max(errors), 3) if errors else None,
        max(memory, default=None),
        round(max(_size(each.run.path) for each in chosen) / 2**20, 1),
    )


def _errors(chosen: Sequence[Measured]) -> Iterator[float]:
    """Yields by what share each run is missed by the others' prediction of it."""
    for place, each in enumerate(chosen):
        others = [*chosen[:place], *chosen[place + 1 :]]
        if others:
            told = statistics.median(other.predict(each.work) for other in others)
            yield abs(told / each.seconds - 1)


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            total += file.lstat().st_size
    return total


def _model_of(case: Mapping[str, Any]) -> str:
    return json.dumps(case.get("model"), sort_keys=True)
