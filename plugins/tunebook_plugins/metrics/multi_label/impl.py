"""What only sets of classes have: exact sets, single decisions, and ranking of rare classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tunebook.config import PluginConfig
from tunebook.contracts import MetricResult, MultiLabelPredictions
from tunebook_plugins.metrics.resampling import mean_of_defined, means_of, weights_of


class SubsetAccuracy:
    """Share of texts whose predicted set of classes is the right one."""

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: MultiLabelPredictions) -> MetricResult:
        return MetricResult({"subset_accuracy": float(_exact(predictions).mean())})

    def resample(
        self, predictions: MultiLabelPredictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        return {"subset_accuracy": means_of(_exact(predictions), draws)}


class HammingLoss:
    """Share of wrong decisions among all n × k of them."""

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: MultiLabelPredictions) -> MetricResult:
        return MetricResult({"hamming_loss": float(_wrong(predictions).mean())})

    def resample(
        self, predictions: MultiLabelPredictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        return {"hamming_loss": means_of(_wrong(predictions), draws)}


class AveragePrecision:
    """Precision at each threshold, weighted by the recall that is gained there.

    As scikit-learn has it, equal probabilities being one threshold. Averaged over the classes
    that have texts; NaN where none has, since it isn't defined then.
    """

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: MultiLabelPredictions) -> MetricResult:
        every_row = [np.arange(len(predictions.targets))]
        by_class = dict(
            zip(predictions.classes, _by_class(predictions, every_row)[:, 0].tolist(), strict=True)
        )
        score = self.resample(predictions, every_row)["average_precision"]
        return MetricResult({"average_precision": float(score[0])}, {"average_precision": by_class})

    def resample(
        self, predictions: MultiLabelPredictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        return {"average_precision": mean_of_defined(_by_class(predictions, draws))}


def _exact(predictions: MultiLabelPredictions) -> np.ndarray:
    return (predictions.targets == predictions.predicted).all(axis=1)


def _wrong(predictions: MultiLabelPredictions) -> np.ndarray:
    """Returns the share of wrong decisions about each text, shape (n,)."""
    return (predictions.targets != predictions.predicted).mean(axis=1)


def _by_class(predictions: MultiLabelPredictions, draws: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the average precision of each class in every draw, (k, draws)."""
    columns = zip(predictions.probabilities.T, predictions.targets.T, strict=True)
    steps = [_Steps(scores, inside) for scores, inside in columns]
    parts = [
        np.stack([each.precision(weights) for each in steps])
        for weights in weights_of(draws, len(predictions.targets))
    ]
    return np.concatenate(parts, axis=1)


class _Steps:
    """The thresholds of one class, from the most probable text down, sorted once for all draws."""

    def __init__(self, scores: np.ndarray, inside: np.ndarray) -> None:
        self.order = np.argsort(-scores, kind="stable")
        ranked = scores[self.order]
        self.ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        self.inside = inside[self.order] == 1

    def precision(self, weights: np.ndarray) -> np.ndarray:
        """Returns the average precision for every draw; NaN in those without a text.

        Args:
            weights: Shape (draws, n), how often each row was drawn.
        """
        ranked = weights[:, self.order]
        hits = np.cumsum(ranked * self.inside, axis=1)[:, self.ends]
        seen = np.cumsum(ranked, axis=1)[:, self.ends]
        gained = np.diff(hits, prepend=0, axis=1)
        total = hits[:, -1]
        area = (gained * hits / np.maximum(seen, 1)).sum(axis=1)
        return np.where(total > 0, area / np.maximum(total, 1), np.nan)
