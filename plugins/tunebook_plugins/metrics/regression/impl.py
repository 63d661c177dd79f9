"""Errors and correlations of numbers, quick enough to be resampled 1,000 times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from tunebook.config import PluginConfig
from tunebook.contracts import MetricResult, RegressionPredictions
from tunebook_plugins.metrics.resampling import means_of, weights_of

FLAT = 1e-12
"""Variance relative to the mean square, or deviation relative to the largest of the numbers, below
which they count as equal."""


class _Score(ABC):
    """One headline number; a subclass says how it comes from resampled rows.

    `name` is what it is called.
    """

    name: str

    def __init__(self, config: PluginConfig | None = None) -> None:
        self.config = config

    def compute(self, predictions: RegressionPredictions) -> MetricResult:
        every_row = [np.arange(len(predictions.targets))]
        return MetricResult({self.name: float(self.values(predictions, every_row)[0])})

    def resample(
        self, predictions: RegressionPredictions, draws: Sequence[np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        return {self.name: self.values(predictions, draws)}

    @abstractmethod
    def values(self, predictions: RegressionPredictions, draws: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the score on each draw, shape (draws,)."""


class Mae(_Score):
    """Mean absolute error."""

    name = "mae"

    def values(self, predictions: RegressionPredictions, draws: Sequence[np.ndarray]) -> np.ndarray:
        return means_of(np.abs(_errors(predictions)), draws)


class Rmse(_Score):
    """Root of the mean squared error."""

    name = "rmse"

    def values(self, predictions: RegressionPredictions, draws: Sequence[np.ndarray]) -> np.ndarray:
        return np.sqrt(means_of(_errors(predictions) ** 2, draws))


class R2(_Score):
    """One minus the squared error over that of the mean of the drawn targets.

    NaN where the drawn targets are all equal, since it isn't defined then.
    """

    name = "r2"

    def values(self, predictions: RegressionPredictions, draws: Sequence[np.ndarray]) -> np.ndarray:
        left = means_of(_errors(predictions) ** 2, draws)
        # far from zero, squares would lose the digits that make the difference
        targets = predictions.targets - predictions.targets.mean()
        squares = means_of(targets**2, draws)
        variance = squares - means_of(targets, draws) ** 2
        defined = variance > FLAT * np.maximum(squares, (targets**2).mean())
        return np.where(defined, 1 - left / np.where(defined, variance, 1), np.nan)


class Pearson(_Score):
    """Covariance over the product of the deviations.

    Predictions that are all equal order nothing and count as 0; targets that are all equal leave
    nothing to be ordered: NaN.
    """

    name = "pearson"

    def values(self, predictions: RegressionPredictions, draws: Sequence[np.ndarray]) -> np.ndarray:
        rows = len(predictions.targets)
        x, y = (_standard(each) for each in (predictions.predicted, predictions.targets))
        return np.concatenate(
            [
                _correlation(np.broadcast_to(x, w.shape), np.broadcast_to(y, w.shape), w)
                for w in weights_of(draws, rows)
            ]
        )


class Spearman(_Score):
    """Pearson's correlation of the ranks that the drawn rows have; equal ones share their mean.

    Counted as in `Pearson` where all predictions or all targets are equal.
    """

    name = "spearman"

    def values(self, predictions: RegressionPredictions, draws: Sequence[np.ndarray]) -> np.ndarray:
        rows = len(predictions.targets)
        groups = [
            np.unique(each, return_inverse=True)[1]
            for each in (predictions.predicted, predictions.targets)
        ]
        return np.concatenate(
            [
                _correlation(*(_ranks(codes, w) for codes in groups), w)
                for w in weights_of(draws, rows)
            ]
        )


def _errors(predictions: RegressionPredictions) -> np.ndarray:
    return predictions.predicted - predictions.targets


def _standard(values: np.ndarray) -> np.ndarray:
    """Returns values with mean 0 and, unless they are all equal, deviation 1."""
    centred = values - values.mean()
    deviation = np.sqrt((centred**2).mean())
    flat = deviation <= FLAT * np.abs(values).max(initial=0)
    return np.zeros_like(centred) if flat else centred / deviation


def _ranks(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the mean rank of each row in every draw, (draws, n).

    Args:
        codes: Shape (n,), rows with one value share a code; codes are in the order of values.
        weights: Shape (draws, n), how often each row was drawn.
    """
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sizes = np.add.reduceat(weights[:, order], starts, axis=1)
    before = np.cumsum(sizes, axis=1) - sizes
    return (before + (sizes + 1) / 2)[:, codes]


def _correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the weighted correlation in every draw: (draws, n) each → (draws,)."""
    total = weights.sum(axis=1, keepdims=True)

    def mean(values: np.ndarray) -> np.ndarray:
        return (weights * values).sum(axis=1, keepdims=True) / total

    dx, dy = x - mean(x), y - mean(y)
    squares = [(mean(each**2), mean(apart**2)) for each, apart in ((x, dx), (y, dy))]
    moves = [variance > FLAT * square for square, variance in squares]
    spread = np.sqrt(squares[0][1] * squares[1][1])
    both = moves[0] & moves[1]
    value = np.where(both, mean(dx * dy) / np.where(both, spread, 1), 0.0)
    return np.where(moves[1], value, np.nan)[:, 0]
