"""Accuracy, F1, ROC-AUC and the confusion matrix, quick enough to be resampled 1,000 times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tunebook.config import PluginConfig
from tunebook.contracts import MetricResult, Predictions
from tunebook_plugins.metrics.resampling import mean_of_defined, weights_of

SINGLE, SEVERAL = 1, 2
"""Dimensions of the targets: one class a text, or any number of them."""


class Accuracy:
    """Share of texts whose most probable class is the right one."""

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: Predictions) -> MetricResult:
        return MetricResult({"accuracy": float(_hits(predictions).mean())})

    def resample(
        self, predictions: Predictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        hits = _hits(predictions)
        return {"accuracy": np.array([hits[draw].mean() for draw in draws])}


class F1:
    """Precision, recall and their harmonic mean.

    Macro scores are means over the classes that occur among the targets or the predictions, as in
    scikit-learn; a ratio without cases counts as 0. Weighted F1 weighs each class by its number of
    targets. A class that a resample has lost by chance is left out of that resample's means: its
    F1 of 0 would say nothing of the model and pull the whole interval down.

    Where a text has any number of classes, micro-F1 counts all decisions alike; with one class a
    text it would be the accuracy.
    """

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: Predictions) -> MetricResult:
        counts = _counts(predictions, [np.arange(len(predictions.targets))])
        present = counts[1] + counts[2] > 0
        by_class = {
            name: dict(zip(predictions.classes, values[0].tolist(), strict=True))
            for name, values in _ratios(*counts).items()
        }
        averages = _averages(*counts, present) | _micro(predictions, *counts)
        return MetricResult({name: float(values[0]) for name, values in averages.items()}, by_class)

    def resample(
        self, predictions: Predictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        counts = _counts(predictions, draws)
        never_a_target = np.array([*predictions.support.values()]) == 0
        present = (counts[1] > 0) | (never_a_target & (counts[2] > 0))
        return _averages(*counts, present) | _micro(predictions, *counts)


class RocAuc:
    """Probability that a text of a class is ranked above one of another class, ties counting half.

    One class against the rest, averaged over the classes that have texts on both sides; of two
    classes that exclude one another it is the area for the second. NaN where no class has both,
    since it isn't defined then.
    """

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: Predictions) -> MetricResult:
        every_row = [np.arange(len(predictions.targets))]
        return MetricResult({"roc_auc": float(self.resample(predictions, every_row)["roc_auc"][0])})

    def resample(
        self, predictions: Predictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        rankings = [_Ranking(predictions, c) for c in _ranked_classes(predictions)]
        rows = len(predictions.targets)
        areas = [
            mean_of_defined(np.stack([ranking.areas(weights) for ranking in rankings]))
            for weights in weights_of(draws, rows)
        ]
        return {"roc_auc": np.concatenate(areas)}


class ConfusionMatrix:
    """Counts of texts; rows are targets and columns predictions."""

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: Predictions) -> MetricResult:
        k = len(predictions.classes)
        cells = predictions.targets * k + predictions.predicted
        return MetricResult(table=np.bincount(cells, minlength=k * k).reshape(k, k).tolist())

    def resample(
        self,
        predictions: Predictions,  # noqa: ARG002 - the contract's name
        draws: Sequence[np.ndarray],  # noqa: ARG002 - the contract's name
    ) -> Mapping[str, np.ndarray]:
        return {}


def _hits(predictions: Predictions) -> np.ndarray:
    return predictions.targets == predictions.predicted


def _counts(
    predictions: Predictions, draws: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns hits, targets and predictions of every class, each of shape (draws, k)."""
    if predictions.targets.ndim == SEVERAL:
        return _counts_of_sets(predictions, draws)
    k, targets, predicted = len(predictions.classes), predictions.targets, predictions.predicted
    hit_class = np.where(_hits(predictions), targets, k)

    def count(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(values[draw], minlength=k + 1)[:k] for draw in draws])

    return count(hit_class), count(targets), count(predicted)


def _counts_of_sets(
    predictions: Predictions, draws: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    targets, predicted = predictions.targets, predictions.predicted
    tables = np.stack([targets * predicted, targets, predicted]).astype(float)
    parts = [weights @ tables for weights in weights_of(draws, len(targets))]
    hits, wanted, said = np.concatenate(parts, axis=1)
    return hits, wanted, said


def _micro(
    predictions: Predictions, hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray
) -> dict[str, np.ndarray]:
    if predictions.targets.ndim == SINGLE:
        return {}
    return {"micro_f1": _divide(2 * hits.sum(axis=1), (targets + predicted).sum(axis=1))}


def _ratios(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "precision": _divide(hits, predicted),
        "recall": _divide(hits, targets),
        "f1": _divide(2 * hits, targets + predicted),
    }


def _averages(
    hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray, present: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns the scores of every draw; `present` says over which classes macro means run."""
    ratios = _ratios(hits, targets, predicted)
    number = present.sum(axis=1)
    macro = {
        name: _divide((values * present).sum(axis=1), number) for name, values in ratios.items()
    }
    return {
        "macro_f1": macro["f1"],
        "weighted_f1": _divide((ratios["f1"] * targets).sum(axis=1), targets.sum(axis=1)),
        "macro_precision": macro["precision"],
        "macro_recall": macro["recall"],
    }


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Returns the quotient, 0 where there is nothing to divide by."""
    return numerator / np.maximum(denominator, 1)


class _Ranking:
    """The texts of a class among those of all others, sorted once for all draws."""

    def __init__(self, predictions: Predictions, class_number: int) -> None:
        scores = predictions.probabilities[:, class_number]
        targets = predictions.targets
        several = targets.ndim == SEVERAL
        inside = targets[:, class_number] == 1 if several else targets == class_number
        self.inside = np.flatnonzero(inside)
        others = np.flatnonzero(~inside)
        self.others = others[np.argsort(scores[others], kind="stable")]
        ranked = scores[self.others]
        self.below = np.searchsorted(ranked, scores[self.inside], side="left")
        self.up_to = np.searchsorted(ranked, scores[self.inside], side="right")

    def areas(self, weights: np.ndarray) -> np.ndarray:
        """Returns the area for every draw: Mann and Whitney's U over the number of pairs.

        Args:
            weights: Shape (draws, n), how often each row was drawn.
        """
        inside = weights[:, self.inside]
        outranked = np.zeros((len(weights), len(self.others) + 1))
        np.cumsum(weights[:, self.others], axis=1, out=outranked[:, 1:])
        halves = outranked[:, self.below] + outranked[:, self.up_to]
        wins = (inside * halves).sum(axis=1) / 2
        pairs = inside.sum(axis=1) * outranked[:, -1]
        return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)


def _ranked_classes(predictions: Predictions) -> Sequence[int]:
    k = len(predictions.classes)
    return [1] if k == 2 and predictions.targets.ndim == SINGLE else range(k)
