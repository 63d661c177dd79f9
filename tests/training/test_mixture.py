"""Batches of several tasks: each of one task, in the shares that the temperature gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook.training.inputs import TokenInputs
from tunebook.training.mixture import MixedBuckets, TaskMixture, quotas, shares


def inputs(count: int, first: int) -> TokenInputs:
    """Returns inputs of one token each, numbered from `first`, whose targets are their numbers."""
    numbers = np.arange(first, first + count)
    return TokenInputs([[int(n)] for n in numbers], np.arange(count), numbers, 0)


def mixture(temperature: float = 1.0) -> TaskMixture:
    return TaskMixture({"large": inputs(90, 100), "small": inputs(10, 500)}, temperature)


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1, [0.9, 0.1]), (2, [0.75, 0.25]), (1000, [0.5, 0.5])]
)
def test_temperature_makes_shares_even(temperature: float, expected: list[float]) -> None:
    assert shares([90, 10], temperature) == pytest.approx(expected, abs=0.002)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
    st.floats(1, 100),
    st.integers(0, 500),
)
def test_every_task_has_a_batch_and_none_is_lost(
    sizes: list[int], temperature: float, more: int
) -> None:
    parts = shares(sizes, temperature)
    found = quotas(parts, len(sizes) + more)
    assert sum(found) == len(sizes) + more
    assert min(found) >= 1


def test_a_batch_is_of_one_task_and_says_which() -> None:
    mixed = mixture()
    batches = [mixed[rows] for rows in MixedBuckets(mixed, 10, seed=0)]
    assert len(batches) == 10
    for batch in batches:
        numbers = batch["labels"].numpy()
        assert batch["input_ids"][:, 0].tolist() == numbers.tolist()
        assert {*(numbers >= 500)} == {batch["task"] == "small"}


def test_by_size_every_input_comes_once_in_an_epoch() -> None:
    rows = [row for batch in MixedBuckets(mixture(), 10, seed=0) for row in batch]
    assert sorted(rows) == [*range(100)]


def test_a_small_task_is_repeated_and_a_large_one_goes_on_where_it_stopped() -> None:
    sampler = MixedBuckets(mixture(1000), 10, seed=0)
    seen: Counter[int] = Counter()
    for epoch in range(9):
        sampler.set_epoch(epoch)
        batches = [*sampler]
        assert len(batches) == len(sampler) == 10
        seen.update(row for batch in batches for row in batch)
    large = [seen[row] for row in range(90)]
    small = [seen[row] for row in range(90, 100)]
    assert {*large} == {5}  # nine epochs of five batches are five times all nine batches
    assert {*small} == {45}


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first, same, other = (MixedBuckets(mixture(), 10, seed) for seed in (0, 0, 1))
    same.set_epoch(1)
    list(same)
    same.set_epoch(0)
    assert [*first] == [*same]
    assert [*first] != [*other]
    first.set_epoch(1)
    assert [*first] != [*same]
