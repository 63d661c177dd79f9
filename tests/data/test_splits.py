from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.config import Fractions
from tunebook.data import splits
from tunebook.data.dataset import SPLITS

USUAL = Fractions()
labels_of_rows = st.lists(st.sampled_from("abcde"), min_size=1, max_size=120)
groups_and_labels = st.lists(
    st.tuples(st.integers(0, 25).map(str), st.sampled_from("abcd")), min_size=1, max_size=150
)


def test_stratified_keeps_class_shares_alike():
    labels = ["big"] * 400 + ["small"] * 40
    parts = splits.stratified(labels, USUAL, seed=0)
    counts = Counter(zip(labels, parts, strict=True))
    assert [counts["big", name] for name in SPLITS] == [280, 60, 60]
    assert [counts["small", name] for name in SPLITS] == [28, 6, 6]


@given(labels_of_rows, st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_held_out_share_leaves_every_class_something_to_learn_from(
    labels: list[str], share: float, seed: int
):
    parts = splits.held_out(labels, share, seed)
    assert set(parts) <= {"train", "validation"}
    trained = {label for label, part in zip(labels, parts, strict=True) if part == "train"}
    assert trained == set(labels)
    assert (parts == "validation").sum() <= round(share * len(labels))
    assert np.array_equal(parts, splits.held_out(labels, share, seed))


def test_a_held_out_share_keeps_class_shares_alike():
    labels = ["big"] * 80 + ["small"] * 20
    parts = splits.held_out(labels, 0.2, seed=0)
    counts = Counter(zip(labels, parts, strict=True))
    assert (counts["big", "validation"], counts["small", "validation"]) == (16, 4)
    assert not np.array_equal(parts, splits.held_out(labels, 0.2, seed=1))


@given(labels_of_rows, st.integers(0, 5))
def test_stratified_puts_a_class_of_three_into_every_split(labels: list[str], seed: int):
    parts = splits.stratified(labels, USUAL, seed)
    assert len(parts) == len(labels)
    for label, count in Counter(labels).items():
        found = {part for part, name in zip(parts, labels, strict=True) if name == label}
        assert "train" in found
        if count >= 3:
            assert found == set(SPLITS)


def test_many_small_classes_do_not_starve_a_large_one():
    labels = [f"c{n % 100:02d}" for n in range(300)] + ["z"] * 400
    parts = splits.stratified(labels, USUAL, seed=0)
    assert Counter(parts[300:]) == {"train": 280, "validation": 60, "test": 60}


def test_fractions_are_followed():
    halves = Fractions(train=0.5, validation=0.1, test=0.4)
    parts = splits.stratified(["a", "b"] * 100, halves, seed=0)
    assert Counter(parts) == {"train": 100, "validation": 20, "test": 80}


def test_grouped_is_the_reference_split():
    groups = [f"g{n % 40:02d}" for n in range(200)]
    names = sorted(set(groups))
    random.Random(3).shuffle(names)
    parts = splits.grouped(groups, USUAL, seed=3)
    assert {g for g, p in zip(groups, parts, strict=True) if p == "test"} == set(names[:6])
    assert {g for g, p in zip(groups, parts, strict=True) if p == "validation"} == set(names[6:12])


@given(groups_and_labels, st.integers(0, 5), st.booleans())
def test_no_group_crosses(pairs: list[tuple[str, str]], seed: int, balanced: bool):
    groups, labels = zip(*pairs, strict=True)
    if balanced:
        parts = splits.grouped_balanced(groups, labels, USUAL, seed)
    else:
        parts = splits.grouped(groups, USUAL, seed)
    homes = {group: set() for group in groups}
    for group, part in zip(groups, parts, strict=True):
        homes[group].add(part)
    assert len(parts) == len(groups)
    assert all(len(home) == 1 for home in homes.values())


@given(groups_and_labels, st.integers(0, 5))
def test_balanced_groups_train_every_class_that_has_its_own_groups(
    pairs: list[tuple[str, str]], seed: int
):
    groups = [group + label for group, label in pairs]  # a group has one class
    labels = [label for _, label in pairs]
    parts = splits.grouped_balanced(groups, labels, USUAL, seed)
    for label in set(labels):
        own = {group for group in groups if group.endswith(label)}
        found = {part for part, name in zip(parts, labels, strict=True) if name == label}
        assert len(found) >= min(len(own), 3)
        assert "train" in found


def test_balanced_groups_keep_class_shares_alike():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 2000).astype(str)
    labels = np.array(["common", "rare"])[(rng.random(300) < 0.05).astype(int)][groups.astype(int)]
    parts = splits.grouped_balanced(groups, labels, USUAL, seed=0)
    for label in ("common", "rare"):
        shares = [np.mean(parts[labels == label] == name) for name in SPLITS]
        assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.04)


@pytest.mark.parametrize("kind", ["stratified", "grouped", "balanced"])
def test_the_seed_decides(kind: str):
    groups = [str(n // 2) for n in range(200)]
    labels = [str(n // 4 % 3) for n in range(200)]

    def split(seed: int) -> list[str]:
        if kind == "stratified":
            return splits.stratified(labels, USUAL, seed).tolist()
        if kind == "grouped":
            return splits.grouped(groups, USUAL, seed).tolist()
        return splits.grouped_balanced(groups, labels, USUAL, seed).tolist()

    assert split(0) == split(0)
    assert split(0) != split(1)
