"""How far two settings lie apart on the same texts, and what chance alone would do.

A setting is a list of runs that differ in their seed only. Runs are compared where they were
scored on the same test set: with an interval from paired resamples, and with a p-value from an
approximate randomisation test, both of which only ask the metric for scores of drawn rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tunebook.contracts import AnyPredictions, Metric
from tunebook.evaluation.bootstrap import interval
from tunebook.records import Estimate

SWAPS = 1000
"""Random exchanges of a test, so that no p-value is below 1 / 1,001."""
SWAPS_AT_ONCE = 50
TOLERANCE = 1e-12
"""Differences that lie no further apart than this count as equal."""


@dataclass(frozen=True)
class Scored:
    """One run on its test set.

    Attributes:
        seed: Seed of the run.
        test: Names the test set: the same for runs that were scored on the same rows.
        value: The score.
        samples: Shape (resamples,), the score on the resamples of that test set.
    """

    seed: int
    test: str
    value: float
    samples: np.ndarray


def mean_of(runs: Sequence[Scored]) -> tuple[float, np.ndarray]:
    """Returns the mean over runs, of the score and of the score on each resample.

    Resample number i draws the same rows of a test set for every run, so that the mean of seeds
    is resampled as one thing (as a model that is trained again each time it is asked).
    """
    value = float(np.mean([run.value for run in runs]))
    return value, np.mean([run.samples for run in runs], axis=0)


def mean_estimate(runs: Sequence[Scored], level: float) -> Estimate:
    """Returns the mean score of runs with the interval that resampling the test sets gives."""
    return interval(*mean_of(runs), level)


def shared(ours: Sequence[Scored], theirs: Sequence[Scored]) -> tuple[list[Scored], list[Scored]]:
    """Returns those runs of either side whose test set the other side has runs on as well."""
    common = {run.test for run in ours} & {run.test for run in theirs}
    first, second = ([run for run in side if run.test in common] for side in (ours, theirs))
    return first, second


def difference(ours: Sequence[Scored], theirs: Sequence[Scored], level: float) -> Estimate:
    """Returns our mean minus theirs; both must be on the same test sets, see `shared`.

    Means are taken within each test set first, so that a seed that one side is still waiting for
    doesn't pull the difference towards another test set.
    """
    apart = []
    for test in sorted({run.test for run in ours}):
        mine, other = (mean_of([r for r in side if r.test == test]) for side in (ours, theirs))
        apart.append((mine[0] - other[0], mine[1] - other[1]))
    value = float(np.mean([v for v, _ in apart]))
    return interval(value, np.mean([s for _, s in apart], axis=0), level)


@dataclass(frozen=True)
class Pair:
    """Two runs on the same test set, ours and theirs.

    Attributes:
        units: Shape (n,), the number of the row or group that each row belongs to.
    """

    test: str
    ours: AnyPredictions
    theirs: AnyPredictions
    units: np.ndarray


def randomisation_p(
    pairs: Sequence[Pair], metric: Metric, score: str, *, seed: int = 0, swaps: int = SWAPS
) -> float:
    """Returns how often chance alone makes a difference as large, two-sided.

    Were both settings alike, the answers to a text could be exchanged between them. So they are,
    at random, text by text or group by group, the same ones in all pairs of a test set, and the
    mean difference over the pairs is taken again (Noreen 1989, Computer-Intensive Methods for
    Testing Hypotheses; Yeh 2000, More accurate tests for the statistical significance of result
    differences). The observed arrangement counts as one of them, so that p is never 0.

    Args:
        pairs: Runs of the two settings, one each, paired by seed.
        metric: What has `score` among its scores.
        score: Name of the score.
        seed: The same seed gives the same p.
        swaps: Number of random exchanges.
    """
    seen = abs(np.mean([_apart(pair, metric, score, _nothing(pair))[0] for pair in pairs]))
    numbers = {test: place for place, test in enumerate(dict.fromkeys(p.test for p in pairs))}
    streams = {test: np.random.default_rng([seed, place]) for test, place in numbers.items()}
    as_large = defined = 0
    for count in _parts(swaps):
        coins = {
            test: stream.random((count, _units(pairs, test))) < 0.5
            for test, stream in streams.items()
        }
        chance = np.mean([_apart(p, metric, score, coins[p.test]) for p in pairs], axis=0)
        as_large += int((np.abs(chance) >= seen - TOLERANCE).sum())
        defined += int(np.isfinite(chance).sum())
    return (1 + as_large) / (1 + defined)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected for their number (Holm 1979), in the same order.

    All of them together then hold their level: the chance of one false "differs" or more.
    """
    number, corrected, least = len(p_values), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(number), key=p_values.__getitem__)):
        least = max(least, min(1.0, (number - rank) * p_values[place]))
        corrected[place] = least
    return corrected


def units_of(rows: int, groups: np.ndarray | None) -> np.ndarray:
    """Returns the number of the unit of each row: its own, or that of its group."""
    return np.arange(rows) if groups is None else pd.factorize(groups, use_na_sentinel=False)[0]


def _units(pairs: Sequence[Pair], test: str) -> int:
    return next(int(pair.units.max()) + 1 for pair in pairs if pair.test == test)


def _nothing(pair: Pair) -> np.ndarray:
    return np.zeros((1, int(pair.units.max()) + 1), dtype=bool)


def _parts(total: int) -> Iterator[int]:
    for start in range(0, total, SWAPS_AT_ONCE):
        yield min(SWAPS_AT_ONCE, total - start)


def _apart(pair: Pair, metric: Metric, score: str, coins: np.ndarray) -> np.ndarray:
    """Returns our score minus theirs after exchanging the units whose coin says so.

    Both tables lie one above the other, ours from row 0 and theirs from row n: an exchange is then
    nothing but a draw of rows, which every metric can score.
    """
    n = len(pair.units)
    both = _stacked(pair.ours, pair.theirs)
    swapped = coins[:, pair.units]
    rows = np.arange(n)
    sides = [[*np.where(s, rows + n, rows)] for s in (swapped, ~swapped)]
    first, second = (np.asarray(metric.resample(both, draws)[score]) for draws in sides)
    return first - second


def _stacked(ours: AnyPredictions, theirs: AnyPredictions) -> AnyPredictions:
    targets = np.concatenate([ours.targets, theirs.targets])
    return replace(ours, targets=targets).by(np.concatenate([ours.outputs, theirs.outputs]))
