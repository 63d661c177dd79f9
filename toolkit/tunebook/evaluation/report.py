"""From predictions to an EvalReport: every headline score with its interval, beside baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tunebook.config import EvaluationConfig
from tunebook.contracts import AnyPredictions, Metric, MetricResult
from tunebook.errors import ConfigError, DataError, Problem, TrainingError
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.bootstrap import (
    count_units,
    draw_in_parts,
    interval,
    paired_difference,
)
from tunebook.records import Baseline, Comparison, Estimate, EvalReport

Samples = Mapping[str, np.ndarray]
OURS = ""
"""Key of the run itself among the names of the baselines."""


def evaluate(
    predictions: AnyPredictions,
    *,
    metrics: Sequence[Metric],
    baselines: Sequence[BaselinePredictions],
    groups: np.ndarray | None,
    config: EvaluationConfig,
    split: str,
    grouped: bool,
    seed: int,
) -> EvalReport:
    """Scores predictions and baselines on the same rows and the same resamples.

    Args:
        predictions: Scores of n texts.
        metrics: What is measured; later ones win where they share a score's name.
        baselines: Predictions for the same n texts.
        groups: Shape (n,), the group of each text, None when there are none.
        config: Baselines, resamples, level and unit.
        split: Name of the split, for the report.
        grouped: Whether the split kept groups whole; then groups are what ``auto`` resamples.
        seed: Seed of the resamples.

    Returns:
        The report. Scores that aren't defined on these rows are left out.

    Raises:
        DataError: There is no row.
        ConfigError: Groups are to be resampled and there are none.
        TrainingError: Predictions aren't finite, or a metric breaks its contract.
    """
    _check(predictions, split)
    clusters = _clusters(groups, config, grouped)
    everyone = {OURS: predictions} | {each.name: predictions.by(each.outputs) for each in baselines}
    results = {name: [m.compute(each) for m in metrics] for name, each in everyone.items()}
    values = {name: _scores(result) for name, result in results.items()}
    samples = _resample(everyone, metrics, clusters, config, seed)
    for name in everyone:
        _check_contract(values[name], samples[name], config.bootstrap.resamples)
    level = config.bootstrap.level
    return EvalReport(
        split=split,
        rows=len(predictions.targets),
        classes=predictions.classes,
        primary=config.primary,
        resampled="row" if clusters is None else "group",
        units=count_units(len(predictions.targets), clusters),
        resamples=config.bootstrap.resamples,
        level=level,
        scores=_estimates(values[OURS], samples[OURS], level),
        per_class=_per_class(results[OURS]),
        support=predictions.support,
        confusion=_confusion(results[OURS]),
        baselines=tuple(
            Baseline(
                name=each.name,
                title=each.title,
                scores=_estimates(values[each.name], samples[each.name], level),
                seconds=each.seconds,
                reused=each.reused,
            )
            for each in baselines
        ),
        comparisons=tuple(_comparisons(values, samples, level)),
    )


def _check(predictions: AnyPredictions, split: str) -> None:
    if not len(predictions.targets):
        raise DataError(
            Problem("evaluation.no_rows", split, "rows to score", "none", "give the split some")
        )
    wrong = ~np.isfinite(predictions.outputs).all(axis=1)
    if wrong.any():
        raise TrainingError(
            Problem(
                "evaluation.not_finite",
                split,
                "finite predictions",
                f"NaN or infinity in {wrong.sum()} of {len(wrong)} rows",
                "the training diverged: lower `training.learning_rate`, or set "
                "`training.precision` to fp32",
            )
        )


def _clusters(
    groups: np.ndarray | None, config: EvaluationConfig, grouped: bool
) -> np.ndarray | None:
    unit = config.bootstrap.unit
    if unit == "group" and groups is None:
        raise ConfigError(
            Problem(
                "evaluation.no_groups",
                "evaluation.bootstrap.unit",
                "a group for every row",
                "rows without groups",
                "split by groups, or resample rows with `unit: row`",
            )
        )
    return groups if unit == "group" or (unit == "auto" and grouped) else None


def _scores(results: Sequence[MetricResult]) -> dict[str, float]:
    return {
        name: float(value)
        for result in results
        for name, value in result.scores.items()
        if np.isfinite(value)
    }


def _resample(
    everyone: Mapping[str, AnyPredictions],
    metrics: Sequence[Metric],
    clusters: np.ndarray | None,
    config: EvaluationConfig,
    seed: int,
) -> dict[str, Samples]:
    """Returns every score of everyone on every resample; all see the same resamples."""
    parts: dict[str, list[Samples]] = {name: [] for name in everyone}
    n = len(everyone[OURS].targets)
    for draws in draw_in_parts(n, clusters, config.bootstrap.resamples, seed):
        for name, each in everyone.items():
            parts[name].append({k: v for m in metrics for k, v in m.resample(each, draws).items()})
    return {
        name: {score: np.concatenate([part[score] for part in some]) for score in some[0]}
        for name, some in parts.items()
    }


def _check_contract(values: Mapping[str, float], samples: Samples, resamples: int) -> None:
    wrong = [name for name in values if np.shape(samples.get(name)) != (resamples,)]
    if wrong:
        raise TrainingError(
            Problem(
                "plugin.metric_contract",
                ", ".join(wrong),
                "`Metric.resample` to return one number for each resample and score",
                str({name: np.shape(samples.get(name)) for name in wrong}),
                "mend the metric plugin",
            )
        )


def _estimates(values: Mapping[str, float], samples: Samples, level: float) -> dict[str, Estimate]:
    return {name: interval(value, samples[name], level) for name, value in values.items()}


def _comparisons(
    values: Mapping[str, Mapping[str, float]], samples: Mapping[str, Samples], level: float
) -> list[Comparison]:
    return [
        Comparison(
            against=name,
            score=score,
            difference=paired_difference(
                value, samples[OURS][score], values[name][score], samples[name][score], level
            ),
        )
        for name in values
        if name != OURS
        for score, value in values[OURS].items()
        if score in values[name]
    ]


def _per_class(results: Sequence[MetricResult]) -> dict[str, dict[str, float]]:
    return {
        name: {label: float(value) for label, value in by_class.items()}
        for result in results
        for name, by_class in result.per_class.items()
    }


def _confusion(results: Sequence[MetricResult]) -> list[list[float]] | None:
    tables = [result.table for result in results if result.table is not None]
    return [[float(cell) for cell in row] for row in tables[0]] if tables else None
