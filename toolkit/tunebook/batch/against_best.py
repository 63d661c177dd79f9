"""Every setting of a table beside the best one, on the same test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tunebook.batch.comparing import Pair, difference, holm, randomisation_p, shared
from tunebook.batch.kept import state_of
from tunebook.batch.rows import By, Finished, Row
from tunebook.batch.scoring import Scorer
from tunebook.errors import TunebookError
from tunebook.records import Estimate

TESTED = 20
"""Settings next to the best that are tested against it; the others only have their intervals."""

NOT_APART = "not told apart from the best"


def compare_with_best(
    rows: Sequence[Row], scorer: Scorer, score: str, *, level: float, lower: bool, by: By
) -> list[Row]:
    """Returns the rows, best first, with difference, p-values and verdict.

    Args:
        rows: Settings in order.
        scorer: Knows the metrics.
        score: Name of the score.
        level: Of the intervals; one minus it is the chance of any false verdict among all tests.
        lower: Whether the score is better the lower it is.
        by: What made the order.
    """
    if not rows:
        return []
    best, others = rows[0], rows[1:]
    apart = [_difference(row, best, level) for row in others]
    tried = {n: _p(others[n], best, scorer, score) for n, d in enumerate(apart[:TESTED]) if d}
    p_values = {n: p for n, p in tried.items() if p is not None}
    corrected = dict(zip(p_values, holm([*p_values.values()]), strict=True))
    for run in best.runs:
        run.of.forget()
    return [replace(best, verdict=f"best on {best_on(by, _split(best))}")] + [
        replace(
            row,
            difference=apart[n],
            p=p_values.get(n),
            p_corrected=corrected.get(n),
            verdict=_verdict(apart[n], corrected.get(n), lower, 1 - level, n, _split(best)),
        )
        for n, row in enumerate(others)
    ]


def compare_two(
    ours: Row, theirs: Row, scorer: Scorer, score: str, level: float
) -> tuple[Estimate | None, float | None]:
    """Returns the difference of two settings and the p-value of one test, not corrected.

    Both are None where the settings have no test set in common; the p-value alone where it cannot
    be worked out any more.
    """
    apart = _difference(ours, theirs, level) if ours is not theirs else None
    return apart, _p(ours, theirs, scorer, score) if apart else None


def paired_runs(
    ours: Sequence[Finished], theirs: Sequence[Finished]
) -> list[tuple[Finished, Finished]]:
    """Returns runs of two settings side by side: the same test set, and the same seed where both
    have it; what finds no partner is left out."""
    left, waiting, pairs = [*theirs], [*ours], []
    for same_seed in (True, False):
        still = []
        for run in waiting:
            partners = [
                other
                for other in left
                if other.scored.test == run.scored.test
                and (not same_seed or other.scored.seed == run.scored.seed)
            ]
            if partners:
                left = [other for other in left if other is not partners[0]]
                pairs.append((run, partners[0]))
            else:
                still.append(run)
        waiting = still
    return pairs


def best_on(by: By, split: str) -> str:
    """Returns which scores an order is made by; `test` stands for the split of the runs."""
    return split if by == "test" else by


def _split(row: Row) -> str:
    return row.runs[0].of.report.split


def _difference(row: Row, best: Row, level: float) -> Estimate | None:
    ours, theirs = shared(row.scores, best.scores)
    return difference(ours, theirs, level) if ours else None


def _p(row: Row, best: Row, scorer: Scorer, score: str) -> float | None:
    """Returns the p-value of a difference, None where it cannot be worked out any more."""
    pairs = paired_runs(row.runs, best.runs)
    try:
        sides = sorted(([_told(ours), _told(theirs)] for ours, theirs in pairs), key=str)
        return scorer.kept.number(["p", score, sides], lambda: _randomised(pairs, scorer, score))
    except (OSError, ValueError, TunebookError):  # a folder that was deleted a moment ago
        return None


def _told(run: Finished) -> Mapping[str, Any]:
    return {"run": run.of.run.run_id, "task": run.of.task, **state_of(run.of.predictions_file)}


def _randomised(pairs: Sequence[tuple[Finished, Finished]], scorer: Scorer, score: str) -> float:
    metric = scorer.metric_of(pairs[0][0].of, score)
    made = []
    for ours, theirs in pairs:
        test, predictions = ours.scored.test, ours.of.predictions
        made.append(Pair(test, predictions, theirs.of.predictions, ours.of.units))
        ours.of.forget()
    return randomisation_p(made, metric, score)


def _verdict(
    apart: Estimate | None, p: float | None, lower: bool, error_rate: float, place: int, split: str
) -> str:
    if apart is None:
        return f"no {split} texts in common with the best"
    if p is None:
        return f"not tested: beyond the first {TESTED}" if place >= TESTED else "not tested"
    if p >= error_rate:
        return NOT_APART
    worse = (apart.value > 0) == lower
    return "worse than the best" if worse else f"better on {split} than the best"
