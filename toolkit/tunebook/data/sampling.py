"""Draws fewer rows: an annotation budget per class, and upper bounds for quick runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def per_class(names: Sequence[Sequence[str]], size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws up to `size` rows of each class; for one seed a smaller draw is part of a larger one.

    Args:
        names: The classes of each of n rows: one, several, or none, which is drawn like a class.
            A class that often comes with others may get more rows than asked for.
        size: Rows of each class.
        rng: Where chance comes from.

    Returns:
        Row numbers in ascending order.
    """
    rows_of: dict[str, list[int]] = {}
    for row, some in enumerate(names):
        for name in some or ("",):
            rows_of.setdefault(name, []).append(row)
    chosen = [rng.permutation(np.array(rows_of[name]))[:size] for name in sorted(rows_of)]
    return np.unique(np.concatenate(chosen)) if chosen else np.arange(0)


def proportional(labels: Sequence[str], size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws `size` rows, or all when there are fewer, with the class shares kept alike.

    Every class gets a row if `size` allows it.

    Returns:
        Row numbers in ascending order.
    """
    if len(labels) <= size:
        return np.arange(len(labels))
    _, class_of, counts = np.unique(
        np.asarray(labels, dtype=object), return_inverse=True, return_counts=True
    )
    return _draw(class_of, allocate(counts, size), rng)


def allocate(counts: np.ndarray, size: int) -> np.ndarray:
    """Divides `size` among classes by their counts, one row at a time to the most entitled.

    Args:
        counts: Rows of each of k classes, all positive, shape (k,).
        size: At most the sum of `counts`.

    Returns:
        Rows to draw, shape (k,), adding up to `size`; none is zero if `size` is at least k.
    """
    exact = size * counts / counts.sum()
    drawn = np.minimum(np.maximum(np.floor(exact).astype(int), 1), counts)
    while drawn.sum() > size:  # too many classes were lifted to one row
        drawn[_largest(drawn - exact, drawn > (1 if size >= len(counts) else 0))] -= 1
    while drawn.sum() < size:
        drawn[_largest(exact - drawn, drawn < counts)] += 1
    return drawn


def _largest(values: np.ndarray, allowed: np.ndarray) -> int:
    return int(np.where(allowed, values, -np.inf).argmax())


def _draw(class_of: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chosen = [
        rng.permutation(np.flatnonzero(class_of == number))[:size]
        for number, size in enumerate(sizes)
    ]
    return np.sort(np.concatenate(chosen)) if chosen else np.arange(0)
