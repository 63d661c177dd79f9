"""The states of a batch's runs, and what may follow what. Nothing here touches the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from tunebook.batch.entry import Entry, State
from tunebook.records import RunDirectory

STATES: tuple[State, ...] = get_args(State)
FOLLOWS: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"running"}),
    "running": frozenset({"succeeded", "failed", "stopped", "timed_out", "lost"}),
    "succeeded": frozenset(),
    "failed": frozenset({"queued"}),
    "stopped": frozenset({"queued"}),
    "timed_out": frozenset({"queued"}),
    "lost": frozenset({"queued"}),
}
"""By state, those that may come next. A run that has succeeded is never touched again."""

ENDED: frozenset[State] = frozenset(STATES) - {"queued", "running"}


@dataclass(frozen=True)
class Change:
    """An entry comes into a state.

    Attributes:
        run: Its new directory, where it has one; None to keep what it has.
        error: What went wrong; what was known before is forgotten.
        detail: A word for people, such as when it is tried again.
    """

    key: str
    state: State
    run: RunDirectory | None = None
    error: Mapping[str, Any] | None = None
    detail: str = ""


class Board:
    """All entries of a batch and their states. None is ever lost, and no illegal state comes up.

    Args:
        entries: What the batch has.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.key: entry for entry in entries}

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries.values())

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def apply(self, change: Change) -> bool:
        """Takes a change; returns False, and changes nothing, where it cannot follow.

        That happens: an end may be told twice, or of an attempt that was given up for lost.
        """
        entry = self._entries.get(change.key)
        if entry is None or change.state not in FOLLOWS[entry.state]:
            return False
        self._entries[change.key] = replace(
            entry,
            state=change.state,
            run=change.run or entry.run,
            attempts=entry.attempts + (change.state == "running"),
            error=change.error,
        )
        return True

    def within(self, *states: State) -> Iterator[Entry]:
        """Yields the entries that are in one of `states`."""
        return (entry for entry in self._entries.values() if entry.state in states)

    def counts(self) -> dict[State, int]:
        """Returns how many entries are in each state, zeros left out."""
        counted = Counter(entry.state for entry in self._entries.values())
        return {state: counted[state] for state in STATES if counted[state]}
