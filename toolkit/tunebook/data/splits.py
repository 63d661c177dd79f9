"""Which row goes into which split. Pure functions on arrays; the seed decides everything."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from tunebook.config import Fractions
from tunebook.data.dataset import SPLITS

TRAIN, VALIDATION, TEST = SPLITS


def stratified(labels: Sequence[str], fractions: Fractions, seed: int) -> np.ndarray:
    """Divides rows at random with the same class shares in every split.

    A class with three rows or more is in all three splits; one with fewer is trained on first.

    Args:
        labels: Class of each of n rows.
        fractions: Shares of the splits.
        seed: Decides which rows.

    Returns:
        Split names, shape (n,).
    """
    splits = np.full(len(labels), TRAIN, dtype=object)
    seen = 0
    for rows in _shuffled_classes(labels, seed):
        before, seen, start = seen, seen + len(rows), 0
        for name in (TEST, VALIDATION):
            share = getattr(fractions, name)
            # rounding the running total, not each class, makes the sizes of the splits come out
            wanted = round(share * seen) - round(share * before)
            spare = len(rows) - start - (2 if name == TEST and len(rows) > 2 else 1)
            size = max(min(wanted, spare), min(1, spare) if len(rows) > 2 else 0)
            splits[rows[start : start + size]] = name
            start += size
    return splits


def held_out(labels: Sequence[str], share: float, seed: int) -> np.ndarray:
    """Divides rows at random into train and validation, with the same class shares in both.

    Args:
        labels: Class of each of n rows; one with a single row is trained on.
        share: Share of the rows that becomes validation.
        seed: Decides which rows.

    Returns:
        Split names, shape (n,).
    """
    splits = np.full(len(labels), TRAIN, dtype=object)
    seen = 0
    for rows in _shuffled_classes(labels, seed):
        before, seen = seen, seen + len(rows)
        wanted = round(share * seen) - round(share * before)
        splits[rows[: min(wanted, len(rows) - 1)]] = VALIDATION
    return splits


def _shuffled_classes(labels: Sequence[str], seed: int) -> Iterator[np.ndarray]:
    """Yields the row numbers of each class, in a random order."""
    rng = np.random.default_rng(seed)
    classes, class_of = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    for number in range(len(classes)):
        yield rng.permutation(np.flatnonzero(class_of == number))


def grouped(groups: Sequence[str], fractions: Fractions, seed: int) -> np.ndarray:
    """Divides whole groups at random: sorted, shuffled, cut into test, validation and train.

    Args:
        groups: Group of each of n rows.
        fractions: Shares of the splits, counted in groups.
        seed: Decides which groups.

    Returns:
        Split names, shape (n,).
    """
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)
    test = int(fractions.test * len(names))
    validation = test + int(fractions.validation * len(names))
    split_of = dict.fromkeys(names, TRAIN)
    split_of |= dict.fromkeys(names[:test], TEST)
    split_of |= dict.fromkeys(names[test:validation], VALIDATION)
    return np.array([split_of[group] for group in groups], dtype=object)


def grouped_balanced(
    groups: Sequence[str], labels: Sequence[str], fractions: Fractions, seed: int
) -> np.ndarray:
    """Divides whole groups so that class shares are alike in the splits.

    Groups are placed from the largest to the smallest, each where it brings the class counts
    closest to their aims (least squares, relative to the aim). Then a class that misses a split
    gets a group there, if it can spare one.

    Args:
        groups: Group of each of n rows.
        labels: Class of each of n rows.
        fractions: Shares of the splits, counted in rows.
        seed: Decides among groups of one size.

    Returns:
        Split names, shape (n,).
    """
    names, group_of = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    classes, class_of = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (group_of, class_of), 1)
    shares = np.array([getattr(fractions, name) for name in SPLITS])
    aims = shares[:, None] * counts.sum(axis=0)
    have = np.zeros_like(aims)
    place = np.zeros(len(names), dtype=int)
    ties = np.random.default_rng(seed).random(len(names))
    for group in np.lexsort((ties, -counts.sum(axis=1))):
        place[group] = _cost(counts[group], aims, have).argmin()
        have[place[group]] += counts[group]
    _cover(counts, aims, have, place)
    return np.array(SPLITS, dtype=object)[place[group_of]]


def _cost(count: np.ndarray, aims: np.ndarray, have: np.ndarray) -> np.ndarray:
    """Returns, by split, how much the squared distance to the aims grows with one more group."""
    return (count * (count + 2 * (have - aims)) / aims).sum(axis=1)


def _cover(counts: np.ndarray, aims: np.ndarray, have: np.ndarray, place: np.ndarray) -> None:
    """Moves groups, in place, into splits that miss a class; train first, then test.

    A class that cannot be learnt is worse than one that cannot be tested, so train may take a
    group that its split cannot spare.
    """
    for split in (SPLITS.index(name) for name in (TRAIN, TEST, VALIDATION)):
        for label in np.flatnonzero(have[split] == 0):
            if have[split, label]:
                continue
            holders = np.flatnonzero(counts[:, label])
            spare = [
                group
                for group in holders
                if (have[place[group]] - counts[group])[counts[group] > 0].all()
            ]
            if not spare and SPLITS[split] == TRAIN:
                spare = list(holders)
            if spare:
                group = min(spare, key=lambda g: _cost(counts[g], aims, have)[split])
                have[place[group]] -= counts[group]
                have[split] += counts[group]
                place[group] = split
