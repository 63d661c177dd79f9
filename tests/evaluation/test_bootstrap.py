"""Resamples of rows and groups, and what their intervals promise."""

import numpy as np
import pytest

from tunebook.evaluation import bootstrap
from tunebook.evaluation.bootstrap import (
    count_units,
    draw,
    draw_in_parts,
    interval,
    paired_difference,
)


def test_the_same_seed_draws_the_same_rows():
    first, again, other = (draw(50, None, 20, seed) for seed in (7, 7, 8))
    assert len(first) == 20
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_rows_are_drawn_with_replacement_and_all_can_be_drawn():
    draws = draw(30, None, 200, 0)
    assert all(len(rows) == 30 for rows in draws)
    assert set(np.concatenate(draws)) == set(range(30))
    assert any(len(set(rows)) < 30 for rows in draws)


def test_groups_are_drawn_whole():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    members = {"a": {1, 4}, "b": {0, 2, 5}, "c": {3}}
    draws = draw(6, groups, 100, 0)
    assert len(draws) == 100
    for rows in draws:
        counts = np.bincount(rows, minlength=6)
        for group, own in members.items():
            assert len({counts[row] for row in own}) == 1, group
        assert sum(counts[min(own)] for own in members.values()) == 3


def test_a_missing_group_name_is_a_group_of_its_own():
    groups = np.array(["a", None, "a", None], dtype=object)
    assert count_units(4, groups) == 2
    assert {len(rows) for rows in draw(4, groups, 20, 0)} == {4}


def test_parts_are_the_same_draws(monkeypatch):
    whole = draw(40, None, 25, 3)
    monkeypatch.setattr(bootstrap, "NUMBERS_AT_ONCE", 400)
    parts = list(draw_in_parts(40, None, 25, 3))
    assert [len(part) for part in parts] == [10, 10, 5]
    joined = [rows for part in parts for rows in part]
    assert all((a == b).all() for a, b in zip(whole, joined, strict=True))


def test_the_interval_is_made_of_percentiles():
    estimate = interval(50.0, np.arange(101.0), 0.9)
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx((5.0, 50.0, 95.0))


def test_the_interval_always_holds_the_value():
    samples = np.linspace(0.5, 0.8, 100)
    above, below = interval(0.9, samples, 0.95), interval(0.4, samples, 0.95)
    assert above.low < above.value == above.high
    assert below.low == below.value < below.high


def test_undefined_samples_are_left_out():
    samples = np.array([np.nan, 0.4, 0.6, np.nan])
    estimate = interval(0.5, samples, 0.95)
    assert 0.4 <= estimate.low < estimate.high <= 0.6
    nothing = interval(0.5, np.array([np.nan]), 0.95)
    assert nothing.low == nothing.high == 0.5


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        values = rng.normal(size=80)
        means = np.array([values[rows].mean() for rows in draw(80, None, 200, trial)])
        estimate = interval(values.mean(), means, 0.9)
        covered += estimate.low <= 0 <= estimate.high
    assert 0.82 <= covered / 200 <= 0.96


def test_clusters_give_wider_intervals_than_rows_where_rows_of_a_group_agree():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 15)
    right = np.repeat(rng.random(20) < 0.7, 15).astype(float)
    widths = {}
    for name, clusters in (("row", None), ("group", groups)):
        means = np.array([right[rows].mean() for rows in draw(300, clusters, 500, 0)])
        estimate = interval(right.mean(), means, 0.95)
        widths[name] = estimate.high - estimate.low
    # 15 rows that say the same are worth one: the interval should be about √15 = 3.9 times as wide
    assert 3 < widths["group"] / widths["row"] < 5


def test_a_paired_difference_is_narrower_than_its_parts():
    rng = np.random.default_rng(0)
    ours = rng.normal(0.7, 0.05, 500)
    theirs = ours - 0.1 + rng.normal(0, 0.001, 500)
    difference = paired_difference(0.7, ours, 0.6, theirs, 0.95)
    assert 0.09 < difference.low < difference.value < difference.high < 0.11
