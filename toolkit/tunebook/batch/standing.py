"""How far a batch is, told from the disk alone: by whoever drives it, or from another terminal."""

from __future__ import annotations

from collections.abc import Iterator

from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder, BatchPlanFile
from tunebook.batch.heartbeat import read_beat
from tunebook.batch.job import HEARTBEAT, read_conclusion
from tunebook.batch.judging import judge
from tunebook.batch.lock import is_driven
from tunebook.batch.states import Board, Change


def settled(board: Board, *, spare_the_living: bool = False) -> Iterator[Change]:
    """Yields what became of the runs that the log says are running, though nobody drives them.

    Args:
        board: What the log says.
        spare_the_living: Leave those out whose process lives on this machine.
    """
    for entry in [*board.within("running")]:
        living = spare_the_living and _lives(entry)
        if entry.run is not None and not living:
            yield judge(entry.key, entry.run, None)


def standing(folder: BatchFolder, plan: BatchPlanFile | None = None) -> tuple[Board, bool]:
    """Returns the entries with their true states, and whether a living process drives the batch."""
    board = folder.board(plan)
    driven = is_driven(folder)
    if not driven:
        for change in settled(board, spare_the_living=True):
            board.apply(change)
    return board, driven


def _lives(entry: Entry) -> bool:
    assert entry.run is not None
    beat = read_beat(entry.run.path / HEARTBEAT)
    return read_conclusion(entry.run) is None and beat is not None and beat.here and beat.alive()
