"""Whatever is told of the runs of a batch, in whatever order: states are legal, none is lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.batch.entry import Entry
from tunebook.batch.states import ENDED, FOLLOWS, STATES, Board, Change

KEYS = ("a", "b", "c")
CHANGES = st.builds(
    Change, st.sampled_from([*KEYS, "unknown"]), st.sampled_from(STATES), st.none(), st.none()
)


def board() -> Board:
    return Board([Entry(key, "case", {}) for key in KEYS])


def test_there_are_seven_states() -> None:
    assert len(STATES) == len(FOLLOWS) == 7
    assert len(ENDED) == 5


@given(st.lists(CHANGES, max_size=60))
def test_any_order_of_events_ends_in_legal_states_and_loses_no_entry(changes: list[Change]) -> None:
    states = board()
    before = {entry.key: entry for entry in states.entries}
    for change in changes:
        taken = states.apply(change)
        after = {entry.key: entry for entry in states.entries}
        assert [*after] == [*KEYS]
        moved = [key for key in KEYS if after[key].state != before[key].state]
        assert moved == ([change.key] if taken else [])
        for key in moved:
            assert after[key].state in FOLLOWS[before[key].state]
            started = after[key].state == "running"
            assert after[key].attempts == before[key].attempts + started
        before = after
    assert sum(states.counts().values()) == len(KEYS)


@given(st.lists(CHANGES, max_size=40), st.lists(CHANGES, max_size=40))
def test_what_has_succeeded_is_never_touched(first: list[Change], then: list[Change]) -> None:
    states = board()
    for change in [*first, Change("a", "queued"), Change("a", "running"), Change("a", "succeeded")]:
        states.apply(change)
    done = {entry.key: entry for entry in states.within("succeeded")}
    assert "a" in done
    for change in then:
        states.apply(change)
    for key, entry in done.items():
        assert states[key] == entry


@pytest.mark.parametrize(("state", "change"), itertools.product(STATES, STATES))
def test_what_may_follow_what(state: str, change: str) -> None:
    states = Board([Entry("a", "case", {}, state)])  # type: ignore[arg-type]
    legal = (
        (state, change) in {("queued", "running")}
        or (state == "running" and change in ENDED)
        or (state in ENDED - {"succeeded"} and change == "queued")
    )
    assert states.apply(Change("a", change)) == legal  # type: ignore[arg-type]
    assert states["a"].state == (change if legal else state)
