"""Two runs on the same texts: how far they lie apart, on the same resamples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tunebook.config import EvaluationConfig
from tunebook.contracts import Metric, Predictions
from tunebook.errors import ConfigError, Problem
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.predictions import CLASS_PREFIX
from tunebook.evaluation.report import evaluate
from tunebook.records import EvalReport

SCORED = ["id", "text", "label"]
"""What two tables of predictions must agree on."""


def compare(
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    *,
    metrics: Sequence[Metric],
    config: EvaluationConfig,
    seed: int,
) -> EvalReport:
    """Scores one run's predictions beside another's, which takes the place of a baseline.

    Args:
        ours: What `predictions.predictions_frame` made of n texts.
        theirs: The same of the other run, named ``other`` in the report.
        metrics: What is measured.
        config: Resamples, level and unit.
        seed: Seed of the resamples.

    Raises:
        ConfigError: They aren't of the same texts, in the same order, or of the same classes.
    """
    _check(ours, theirs)
    grouped = "group" in ours
    other = BaselinePredictions("other", "other run", _predictions(theirs).probabilities, 0.0)
    return evaluate(
        _predictions(ours),
        metrics=metrics,
        baselines=[other],
        groups=ours["group"].to_numpy(dtype=object) if grouped else None,
        config=config,
        split="test",
        grouped=grouped,
        seed=seed,
    )


def _predictions(frame: pd.DataFrame) -> Predictions:
    columns = _class_columns(frame)
    classes = tuple(column.removeprefix(CLASS_PREFIX) for column in columns)
    numbers = {name: number for number, name in enumerate(classes)}
    targets = np.array([numbers[label] for label in frame["label"]], dtype=np.int64)
    return Predictions(targets, frame[columns].to_numpy(dtype=np.float64), classes)


def _class_columns(frame: pd.DataFrame) -> list[str]:
    return [column for column in frame if column.startswith(CLASS_PREFIX)]


def _check(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    if _class_columns(ours) != _class_columns(theirs):
        raise ConfigError(_not_comparable("classes", "others"))
    if not ours[SCORED].equals(theirs[SCORED]):
        common = len({*ours["text"]} & {*theirs["text"]})
        raise ConfigError(
            _not_comparable("test texts", f"{len(ours)} and {len(theirs)}, {common} in common")
        )


def _not_comparable(what: str, found: str) -> Problem:
    return Problem(
        "run.not_comparable",
        "compare",
        f"two runs that were scored on the same {what}, in the same order",
        found,
        "give both cases the same `data`, `task`, `split` and `limits`",
    )
