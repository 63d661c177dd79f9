from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunebook.data import sampling

counts_of_classes = st.lists(st.integers(1, 60), min_size=1, max_size=12)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_per_class_draws_up_to_the_budget():
    labels = ["a"] * 10 + ["b"] * 3
    drawn = sampling.per_class([*zip(labels)], 5, rng())
    assert Counter(labels[row] for row in drawn) == {"a": 5, "b": 3}
    assert drawn.tolist() == sorted(set(drawn.tolist()))


def test_a_smaller_budget_is_part_of_a_larger_one():
    labels = ["a", "b", "c"] * 30
    small, large = (set(sampling.per_class([*zip(labels)], size, rng(4))) for size in (8, 20))
    assert len(small) == 24
    assert small < large


@given(counts_of_classes, st.data())
def test_allocate_adds_up_and_forgets_no_class_if_it_can(counts: list[int], data: st.DataObject):
    size = data.draw(st.integers(1, sum(counts)))
    drawn = sampling.allocate(np.array(counts), size)
    assert drawn.sum() == size
    assert (drawn <= counts).all()
    assert (drawn >= 0).all()
    if size >= len(counts):
        assert (drawn >= 1).all()


def test_proportional_keeps_shares():
    labels = ["a"] * 80 + ["b"] * 20
    drawn = sampling.proportional(labels, 10, rng())
    assert Counter(labels[row] for row in drawn) == {"a": 8, "b": 2}


def test_proportional_keeps_all_rows_below_the_limit():
    assert sampling.proportional(["a", "b"], 5, rng()).tolist() == [0, 1]
