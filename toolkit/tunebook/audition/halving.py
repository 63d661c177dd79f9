"""Successive halving: many candidates on few rows, the better half on more, until time is up.

Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
optimization", arXiv:1502.07943. The resource is training rows; unlike there, the rows of a rung
are not fixed beforehand but are as many as what is left of the budget can bear, by what the rung
before has cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FEWEST = 2
"""Candidates that the last rung compares; one alone would be compared with nothing."""

Cost = Callable[[str, int], float]
"""Seconds that a run of a candidate takes on so many training rows."""


@dataclass(frozen=True)
class Rung:
    """Candidates that are tried on the same number of training rows.

    Attributes:
        seeds: Runs of each.
        predicted: Seconds that this should take; None of the first, before anything is measured.
    """

    rows: int
    candidates: tuple[str, ...]
    seeds: int = 1
    predicted: float | None = None


def next_rung(
    ranked: Sequence[str],
    cost: Cost,
    *,
    rows: int,
    all_rows: int,
    seeds: int,
    seconds: float,
    places: int,
) -> Rung | None:
    """Returns the rung after one that is done, None where there is nothing more to learn.

    Half of the candidates go on, or fewer where not even twice the rows are to be had for half.

    Args:
        ranked: The candidates of the rung that have a result, the best first.
        cost: What a candidate would take.
        rows: Training rows of the rung that is done.
        all_rows: Training rows that there are.
        seeds: Runs that each candidate is to have.
        seconds: What is left of the budget.
        places: How many runs go on at once.
    """
    if rows >= all_rows or len(ranked) < FEWEST:
        return None
    half = max(FEWEST, math.ceil(len(ranked) / 2))
    for kept in range(half, FEWEST - 1, -1):
        names = tuple(ranked[:kept])
        share = seconds / rungs_to_come(kept)
        for more in larger(rows, all_rows):
            costs = [cost(name, more) for name in names]
            predicted = max(seeds * sum(costs) / places, *costs)  # no run is cut in two
            if predicted <= share:
                return Rung(more, names, seeds, predicted)
    return None


def rungs_to_come(candidates: int) -> int:
    """Returns how many rungs there are from one with so many candidates to the last."""
    return max(1, math.ceil(math.log2(candidates)))


def larger(rows: int, all_rows: int) -> list[int]:
    """Returns the numbers of rows that a next rung may have, the largest first."""
    doubled = []
    while rows < all_rows:
        rows = min(2 * rows, all_rows)
        doubled.append(rows)
    return doubled[::-1]
