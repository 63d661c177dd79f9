"""Bootstrap resamples as weights of rows, which metrics sum over instead of drawing rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

DRAWS_AT_ONCE = 64
"""Weights of so many draws are held at a time, so that they stay in the processor's cache."""


def weights_of(draws: Sequence[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """Yields how often each row was drawn, float, shape (some draws, rows), draws in order."""
    for start in range(0, len(draws), DRAWS_AT_ONCE):
        some = draws[start : start + DRAWS_AT_ONCE]
        yield np.stack([np.bincount(draw, minlength=rows) for draw in some]).astype(float)


def means_of(values: np.ndarray, draws: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the mean of values (n, …) over the rows of each draw, (draws, …)."""
    return np.stack([values[draw].mean(axis=0) for draw in draws])


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Returns the mean over classes, (classes, draws) → (draws,), NaNs left out."""
    defined = np.isfinite(values)
    number = defined.sum(axis=0)
    total = np.where(defined, values, 0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
