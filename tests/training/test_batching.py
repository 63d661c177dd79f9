"""Batches hold texts of like length, each text once an epoch, in an order that is random."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunebook.training.batching import ShuffledBuckets, longest_first

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=400).map(np.array)


@given(LENGTHS, st.integers(1, 64), st.integers(0, 9))
def test_every_row_comes_once_an_epoch(lengths: np.ndarray, size: int, seed: int) -> None:
    batches = list(ShuffledBuckets(lengths, size, seed))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert len(batches) == len(ShuffledBuckets(lengths, size, seed))
    assert max(map(len, batches)) <= size


@given(LENGTHS, st.integers(1, 64))
def test_prediction_batches_hold_every_row_once(lengths: np.ndarray, size: int) -> None:
    batches = longest_first(lengths, size)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))


def test_order_is_a_function_of_seed_and_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 500)
    sampler = ShuffledBuckets(lengths, 16, seed=3)
    first = list(sampler)
    assert list(ShuffledBuckets(lengths, 16, seed=3)) == first
    assert list(ShuffledBuckets(lengths, 16, seed=4)) != first
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_padding_is_a_fraction_of_what_random_batches_need() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.geometric(0.02, 4000)

    def padded(batches: list[list[int]]) -> int:
        return sum(int(lengths[batch].max()) * len(batch) for batch in batches)

    random_rows = rng.permutation(4000)
    random_batches = [random_rows[n : n + 16].tolist() for n in range(0, 4000, 16)]
    waste = padded(list(ShuffledBuckets(lengths, 16, 0))) - lengths.sum()
    assert waste < 0.2 * (padded(random_batches) - lengths.sum())


def test_batches_do_not_come_longest_first() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 4000)
    means = [lengths[batch].mean() for batch in ShuffledBuckets(lengths, 16, 0)]
    order = np.corrcoef(means, np.arange(len(means)))[0, 1]
    assert abs(order) < 0.2
    # within one pool, too, the long ones must not come together
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3
