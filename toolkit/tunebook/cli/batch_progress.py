"""What a person or a program sees of a batch while it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from tunebook.batch.entry import Entry
from tunebook.batch.judging import code_of
from tunebook.batch.states import ENDED, STATES, Change
from tunebook.batch.values import in_words
from tunebook.cli.answers import SCHEMA_VERSION, say
from tunebook.progress import ProgressState, RunFollower, duration

if TYPE_CHECKING:
    from rich.console import RenderableType

REDRAWS_PER_SECOND = 2
MOST_LINES = 12


def words(entry: Entry) -> str:
    """Returns what an entry is, as a person types it."""
    return f"{entry.case.rpartition('/')[2]} {in_words(entry.parameters)}".strip()


def change_data(change: Change, entry: Entry) -> dict[str, Any]:
    """Returns a change of state as JSON types."""
    content = {
        "event": "state",
        "time": round(time.time(), 3),
        "key": entry.key,
        "case": entry.case,
        "parameters": dict(entry.parameters),
        "state": entry.state,
        "attempt": entry.attempts,
        "run_id": entry.run.run_id if entry.run else None,
        "detail": change.detail,
        "error": entry.error,
    }
    return {"schema_version": SCHEMA_VERSION, **content}


def json_lines(stdout: TextIO) -> Callable[[Change, Entry], None]:
    """Returns a listener that writes each change as a line of JSON.

    A reader who has gone away doesn't end the batch.
    """
    gone = False

    def write(change: Change, entry: Entry) -> None:
        nonlocal gone
        if gone:
            return
        text = json.dumps(change_data(change, entry), ensure_ascii=False)
        try:
            stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
            stdout.flush()
        except BrokenPipeError:
            gone = True

    return write


def line_of(
    change: Change,
    entry: Entry,
    counts: dict[str, int],
    total: int,
    name: Callable[[Entry], str] = words,
) -> str:
    """Returns the line that says what has changed."""
    done = sum(counts.get(state, 0) for state in ENDED)
    reason = code_of(entry.error) if entry.state in ENDED else ""
    detail = " ".join(filter(None, [reason, change.detail]))
    state = entry.state.replace("_", " ")
    return f"[{done}/{total}] {state:<9}  {name(entry)}" + (f"  ({detail})" if detail else "")


class BatchProgress:
    """Lines for what changes; in a terminal, below them, what is under way.

    Args:
        entries: All entries of the batch.
        stream: Where to write; lines alone where it is no terminal.
        name: What an entry is called.
    """

    def __init__(
        self, entries: Sequence[Entry], stream: TextIO, name: Callable[[Entry], str] = words
    ) -> None:
        self._entries = {entry.key: entry for entry in entries}
        self._stream = stream
        self._name = name
        self._live: Any = None
        self._followed: dict[str, tuple[RunFollower, ProgressState]] = {}
        self._started = time.monotonic()

    def __enter__(self) -> BatchProgress:
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                get_renderable=self._picture,
                console=Console(file=self._stream),
                refresh_per_second=REDRAWS_PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, change: Change, entry: Entry) -> None:
        self._entries[entry.key] = entry
        if entry.state == "running" and entry.run is not None:
            state = ProgressState()
            self._followed[entry.key] = (RunFollower(entry.run.path, state.update), state)
        else:
            self._followed.pop(entry.key, None)
        if self._live is None:
            if not (entry.state == "queued" and not change.detail):
                say(self._line(change, entry))
        elif entry.state in ENDED:
            self._live.console.print(self._line(change, entry), markup=False, highlight=False)

    def counts(self) -> dict[str, int]:
        """Returns how many entries are in each state."""
        states = [entry.state for entry in self._entries.values()]
        return {state: states.count(state) for state in STATES if state in states}

    def _line(self, change: Change, entry: Entry) -> str:
        return line_of(change, entry, self.counts(), len(self._entries), self._name)

    def _picture(self) -> RenderableType:
        """Returns the bar and one line for each run under way."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        counts, total = self.counts(), len(self._entries)
        done = sum(counts.get(state, 0) for state in ENDED)
        table = Table.grid(padding=(0, 2))
        for key, (follower, state) in [*self._followed.items()][:MOST_LINES]:
            follower.poll()
            name = Text(self._name(self._entries[key]), no_wrap=True, overflow="ellipsis")
            table.add_row(name, Text(state.line() or "starting", no_wrap=True, overflow="ellipsis"))
        told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items())
        seconds = duration(time.monotonic() - self._started)
        return Group(
            Text(f"{done}/{total} after {seconds}: {told}"),
            ProgressBar(total=max(total, 1), completed=done, width=60),
            table,
        )
