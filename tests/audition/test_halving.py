"""How a budget is spent: who goes on, on how many rows, and when it ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.audition.halving import FEWEST, Rung, larger, next_rung, rungs_to_come

NAMES = tuple("abcdefgh")


def linear(_name: str, rows: int) -> float:
    """A second for every hundred rows."""
    return rows / 100


def test_the_better_half_gets_as_many_rows_as_the_time_can_bear() -> None:
    # of 90 s a third for this rung: four candidates on 600 rows take 24 s, on 1,200 they take 48
    rung = next_rung(NAMES, linear, rows=300, all_rows=5000, seeds=1, seconds=60, places=1)
    assert rung == Rung(600, ("a", "b", "c", "d"), predicted=24.0)


def test_two_places_bear_twice_as_much() -> None:
    rung = next_rung(NAMES, linear, rows=300, all_rows=5000, seeds=1, seconds=60, places=2)
    assert rung == Rung(1200, ("a", "b", "c", "d"), predicted=24.0)


def test_two_seeds_cost_twice_as_much() -> None:
    rung = next_rung(NAMES, linear, rows=300, all_rows=5000, seeds=2, seconds=120, places=1)
    assert rung == Rung(600, ("a", "b", "c", "d"), seeds=2, predicted=48.0)


def test_the_last_two_get_all_the_time_that_is_left() -> None:
    rung = next_rung(("a", "b"), linear, rows=300, all_rows=2000, seeds=1, seconds=40, places=1)
    assert rung == Rung(2000, ("a", "b"), predicted=40.0)


def test_fewer_than_half_go_on_where_half_cannot_be_borne() -> None:
    rung = next_rung(NAMES, linear, rows=300, all_rows=5000, seeds=1, seconds=20, places=1)
    assert rung is not None
    assert rung.candidates == ("a", "b")
    assert rung.rows == 600


def test_no_run_is_cut_in_two() -> None:
    # sixteen places don't make a run of 8 s shorter
    rung = next_rung(("a", "b"), linear, rows=100, all_rows=800, seeds=2, seconds=5, places=16)
    assert rung == Rung(400, ("a", "b"), seeds=2, predicted=4.0)


def test_a_dear_candidate_counts_with_its_own_cost() -> None:
    def dear(name: str, rows: int) -> float:
        return rows * (10 if name == "a" else 1) / 100

    rung = next_rung(("a", "b", "c"), dear, rows=100, all_rows=1000, seeds=1, seconds=44, places=1)
    assert rung == Rung(400, ("a", "b"), predicted=44.0)


@pytest.mark.parametrize(
    ("ranked", "rows", "seconds"),
    [(NAMES, 5000, 1e9), (("a",), 300, 1e9), ((), 300, 1e9), (NAMES, 300, 0.1)],
    ids=["all rows were had", "one is left", "all have failed", "no time"],
)
def test_there_is_an_end(ranked: tuple[str, ...], rows: int, seconds: float) -> None:
    assert (
        next_rung(ranked, linear, rows=rows, all_rows=5000, seeds=1, seconds=seconds, places=1)
        is None
    )


@given(
    count=st.integers(2, 40),
    rows=st.integers(2, 3000),
    all_rows=st.integers(2, 100_000),
    seconds=st.floats(0, 1e5),
    places=st.integers(1, 8),
    seeds=st.integers(1, 5),
)
def test_a_rung_is_larger_holds_fewer_and_fits(
    count: int, rows: int, all_rows: int, seconds: float, places: int, seeds: int
) -> None:
    ranked = [f"c{n}" for n in range(count)]
    rung = next_rung(
        ranked, linear, rows=rows, all_rows=all_rows, seeds=seeds, seconds=seconds, places=places
    )
    if rung is None:
        return
    kept = len(rung.candidates)
    assert rows < rung.rows <= all_rows
    assert rung.seeds == seeds
    assert FEWEST <= kept <= max(FEWEST, math.ceil(count / 2))
    assert list(rung.candidates) == ranked[:kept]
    assert rung.predicted is not None
    assert rung.predicted * rungs_to_come(kept) <= seconds * (1 + 1e-9)
    bigger = [n for n in larger(rows, all_rows) if n > rung.rows]
    if bigger:  # it took what it could
        costs = [linear(name, bigger[-1]) for name in rung.candidates]
        cost = max(seeds * sum(costs) / places, *costs)
        assert cost > seconds / rungs_to_come(kept)


def test_every_audition_ends_within_its_budget() -> None:
    ranked, rows, left, rungs = list(NAMES), 256, 500.0, 0
    left -= sum(linear(name, rows) for name in ranked)
    while rung := next_rung(
        ranked, linear, rows=rows, all_rows=20_000, seeds=1, seconds=left, places=1
    ):
        assert rung.predicted is not None
        ranked, rows, left = [*rung.candidates], rung.rows, left - rung.predicted
        rungs += 1
    assert rungs == 2  # eight, then four, then two
    assert len(ranked) == FEWEST
    assert left >= 0
    assert sum(linear(name, 2 * rows) for name in ranked) > left
