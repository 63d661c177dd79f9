"""Bootstrap resamples of rows or of whole groups, and the intervals they give."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pandas as pd

from tunebook.records import Estimate

NUMBERS_AT_ONCE = 20_000_000
"""Row numbers held at a time, about 160 MB."""


def draw(n_rows: int, groups: np.ndarray | None, resamples: int, seed: int) -> list[np.ndarray]:
    """Returns the row numbers of each resample.

    Rows are drawn with replacement, or whole groups when there are any: rows of one group resemble
    one another, so that resampling them one by one would give intervals that are too narrow
    (Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8).

    Args:
        n_rows: Number of rows, at least one.
        groups: Shape (n_rows,), the group of each row; None to draw rows.
        resamples: Number of resamples.
        seed: The same seed gives the same resamples.
    """
    return list(islice(_stream(n_rows, groups, seed), resamples))


def draw_in_parts(
    n_rows: int, groups: np.ndarray | None, resamples: int, seed: int
) -> Iterator[list[np.ndarray]]:
    """Yields what `draw` returns in parts, for as many resamples as would not fit into memory."""
    stream = _stream(n_rows, groups, seed)
    at_once = max(1, NUMBERS_AT_ONCE // n_rows)
    for start in range(0, resamples, at_once):
        yield list(islice(stream, min(at_once, resamples - start)))


def count_units(n_rows: int, groups: np.ndarray | None) -> int:
    """Returns how many things are resampled: rows, or groups."""
    return n_rows if groups is None else int(_codes(groups).max()) + 1


def interval(value: float, samples: np.ndarray, level: float) -> Estimate:
    """Returns `value` with the percentile interval of `samples`.

    The interval is widened to hold the value where a biased score, such as macro-F1 over few rows,
    leaves it outside. Samples on which the score is undefined (NaN) are left out.
    """
    defined = samples[np.isfinite(samples)]
    if not len(defined):
        return Estimate(value=value, low=value, high=value)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))


def paired_difference(
    value: float, samples: np.ndarray, other: float, others: np.ndarray, level: float
) -> Estimate:
    """Returns `value` minus `other`; both sets of samples must come from the same resamples."""
    return interval(value - other, samples - others, level)


def _stream(n_rows: int, groups: np.ndarray | None, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    if groups is None:
        while True:
            yield rng.integers(0, n_rows, n_rows)
    codes = _codes(groups)
    by_group = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    while True:
        yield by_group[_ranges(starts, sizes, rng.integers(0, len(sizes), len(sizes)))]


def _ranges(starts: np.ndarray, sizes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Returns start, start + 1, …, start + size - 1 of every chosen group, joined."""
    lengths = sizes[chosen]
    offsets = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts[chosen] - offsets, lengths)


def _codes(groups: np.ndarray) -> np.ndarray:
    return pd.factorize(np.asarray(groups), use_na_sentinel=False)[0]
