"""Alpha through the krippendorff package; imported when a case first asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import krippendorff
import numpy as np

from tunebook.config import PluginConfig
from tunebook.contracts import MetricResult, Predictions


class Alpha:
    """1 for perfect agreement, 0 for what chance alone would give; below it for less than that.

    It isn't defined, and NaN, where only one class occurs among labels and predictions.
    """

    def __init__(self, config: PluginConfig) -> None:
        self.config = config

    def compute(self, predictions: Predictions) -> MetricResult:
        return MetricResult({"alpha": _alpha(predictions.targets, predictions.predicted)})

    def resample(
        self, predictions: Predictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        targets, predicted = predictions.targets, predictions.predicted
        return {"alpha": np.array([_alpha(targets[draw], predicted[draw]) for draw in draws])}


def _alpha(targets: np.ndarray, predicted: np.ndarray) -> float:
    """Returns alpha of two raters, each a row of class numbers."""
    ratings = np.stack([targets, predicted])
    if len(np.unique(ratings)) < 2:
        return float("nan")
    return float(krippendorff.alpha(ratings, level_of_measurement="nominal"))
