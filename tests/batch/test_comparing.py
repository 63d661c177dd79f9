"""Paired differences, randomisation tests and their correction, on cases whose answer is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.batch.comparing import (
    Pair,
    Scored,
    difference,
    holm,
    mean_estimate,
    randomisation_p,
    shared,
    units_of,
)
from tunebook.contracts import Predictions
from tunebook_plugins.metrics.classification.impl import F1, Accuracy


def predictions(right: list[int]) -> Predictions:
    """Predicts the right class where `right` is 1, the other one elsewhere."""
    targets = np.arange(len(right)) % 2
    said = np.where(np.asarray(right) == 1, targets, 1 - targets)
    return Predictions(targets, np.eye(2)[said], ("no", "yes"))


def pair(ours: list[int], theirs: list[int], groups: np.ndarray | None = None) -> Pair:
    return Pair("t", predictions(ours), predictions(theirs), units_of(len(ours), groups))


def exact_p(ours: list[int], theirs: list[int], units: np.ndarray) -> float:
    """Returns the p-value over every possible exchange."""
    apart = np.asarray(ours) - np.asarray(theirs)
    by_unit = np.bincount(units, weights=apart)
    chances = [abs(by_unit @ signs) for signs in product((-1, 1), repeat=len(by_unit))]
    return float(np.mean([chance >= abs(by_unit.sum()) - 1e-9 for chance in chances]))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([1] * 12, [0] * 4 + [1] * 8),
        ([1] * 10 + [0] * 2, [0] * 5 + [1] * 7),
        ([1, 0] * 6, [0, 1] * 6),
    ],
)
def test_a_p_value_is_that_of_all_exchanges(ours: list[int], theirs: list[int]) -> None:
    p = randomisation_p([pair(ours, theirs)], Accuracy(), "accuracy", swaps=4000)
    assert p == pytest.approx(exact_p(ours, theirs, np.arange(12)), abs=0.03)


def test_whole_groups_are_exchanged() -> None:
    """All that differs lies in two groups: four arrangements, two of which are as extreme."""
    groups = np.repeat(["a", "b", "c"], 4)
    ours, theirs = [1] * 12, [0] * 8 + [1] * 4
    together = randomisation_p([pair(ours, theirs, groups)], Accuracy(), "accuracy", swaps=2000)
    alone = randomisation_p([pair(ours, theirs)], Accuracy(), "accuracy", swaps=2000)
    assert together == pytest.approx(0.5, abs=0.05)
    assert alone < 0.03


def test_equal_answers_are_never_told_apart() -> None:
    assert randomisation_p([pair([1, 0] * 6, [1, 0] * 6)], F1(), "macro_f1") == 1.0


def test_seeds_are_exchanged_together() -> None:
    """The same two answers seen twice are no more evidence than once."""
    ours, theirs = [1] * 12, [0] * 3 + [1] * 9
    once = randomisation_p([pair(ours, theirs)], Accuracy(), "accuracy")
    twice = randomisation_p([pair(ours, theirs)] * 2, Accuracy(), "accuracy")
    assert twice == once


def test_chance_finds_a_difference_as_often_as_it_says() -> None:
    """Of 150 pairs of equally good models about one in ten has p of 0.1 or less."""
    rng = np.random.default_rng(0)
    found = [
        randomisation_p(
            [pair(*rng.integers(0, 2, (2, 101)).tolist())], Accuracy(), "accuracy", swaps=200
        )
        for _ in range(150)
    ]
    assert 0.04 < np.mean(np.array(found) <= 0.1) < 0.16


def test_holm_against_a_table_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_keeps_the_order_and_never_makes_p_smaller(values: list[float]) -> None:
    corrected = holm(values)
    assert all(p <= c <= 1 for p, c in zip(values, corrected, strict=True))
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)
    assert min(corrected) <= min(1, len(values) * min(values)) + 1e-12


def scored(seed: int, test: str, value: float) -> Scored:
    return Scored(seed, test, value, value + np.linspace(-0.1, 0.1, 101))


def test_a_mean_over_seeds_is_resampled_as_one() -> None:
    """Two seeds that move together have an interval as wide as one, not narrower by the root."""
    one = mean_estimate([scored(0, "a", 0.5)], 0.9)
    two = mean_estimate([scored(0, "a", 0.4), scored(1, "a", 0.6)], 0.9)
    assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high))


def test_a_seed_that_is_missing_does_not_bend_a_difference() -> None:
    """Test set b is easier for everybody; ours lacks its second seed there."""
    ours = [scored(0, "a", 0.5), scored(1, "b", 0.9)]
    theirs = [scored(0, "a", 0.5), scored(1, "b", 0.9), scored(2, "b", 0.9)]
    assert difference(ours, theirs, 0.95).value == pytest.approx(0)


def test_only_common_test_sets_are_compared() -> None:
    ours, theirs = shared([scored(0, "a", 1), scored(1, "b", 1)], [scored(0, "b", 1)])
    assert [run.test for run in ours + theirs] == ["b", "b"]
    assert shared([scored(0, "a", 1)], [scored(0, "b", 1)]) == ([], [])
