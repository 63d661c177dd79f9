"""Two runs on the same texts: how far they lie apart, on the same resamples."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tunebook.config import EvaluationConfig
from tunebook.contracts import AnyPredictions, Metric
from tunebook.data.dataset import PAIR
from tunebook.errors import ConfigError, Problem
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.report import evaluate
from tunebook.forms import TaskForm
from tunebook.forms.single_label import CLASS_PREFIX
from tunebook.records import EvalReport

SCORED = ("id", "text", PAIR, "label")
"""What two tables of predictions must agree on."""


def compare(
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    form: TaskForm,
    *,
    metrics: Sequence[Metric],
    config: EvaluationConfig,
    seed: int,
) -> EvalReport:
    """Scores one run's predictions beside another's, which takes the place of a baseline.

    Args:
        ours: What `predictions.predictions_frame` made of n texts.
        theirs: The same of the other run, named ``other`` in the report.
        form: What the targets are, with the classes of both runs.
        metrics: What is measured.
        config: Resamples, level and unit.
        seed: Seed of the resamples.

    Raises:
        ConfigError: They aren't of the same texts, in the same order, or of the same classes.
    """
    _check(ours, theirs)
    grouped = "group" in ours
    other = BaselinePredictions("other", "other run", _predictions(theirs, form).outputs, 0.0)
    return evaluate(
        _predictions(ours, form),
        metrics=metrics,
        baselines=[other],
        groups=ours["group"].to_numpy(dtype=object) if grouped else None,
        config=config,
        split=config.split,
        grouped=grouped,
        seed=seed,
    )


def _predictions(frame: pd.DataFrame, form: TaskForm) -> AnyPredictions:
    targets = form.targets([form.read(cell) for cell in frame["label"]])
    return form.predictions(targets, form.outputs_in(frame))


def _class_columns(frame: pd.DataFrame) -> list[str]:
    return [column for column in frame if column.startswith(CLASS_PREFIX)]


def _check(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    if _class_columns(ours) != _class_columns(theirs):
        raise ConfigError(_not_comparable("classes", "others"))
    shown = [name for name in SCORED if name in ours]
    if not ours[shown].equals(theirs.reindex(columns=shown)):
        common = len({*ours["text"]} & {*theirs["text"]})
        raise ConfigError(
            _not_comparable("texts", f"{len(ours)} and {len(theirs)}, {common} in common")
        )


def _not_comparable(what: str, found: str) -> Problem:
    return Problem(
        "run.not_comparable",
        "compare",
        f"two runs that were scored on the same {what}, in the same order",
        found,
        "give both cases the same `data`, `task`, `split` and `limits`",
    )
