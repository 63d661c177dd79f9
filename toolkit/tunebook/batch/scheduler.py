"""Drives a batch: starts what is queued, watches what runs, and logs every change of state."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from tunebook.attempts import Attempt, Ended, Executor
from tunebook.batch.entry import Entry
from tunebook.batch.heartbeat import Pulse
from tunebook.batch.job import HEARTBEAT
from tunebook.batch.judging import Asked, is_transient, judge, pause_before
from tunebook.batch.plan import BatchLimits, Retries
from tunebook.batch.states import Board, Change
from tunebook.errors import MachineError
from tunebook.records import RunDirectory

POLL_SECONDS = 0.2
STOP_GRACE = 45.0
"""Seconds that a run which is asked to stop may take; papermill alone takes up to twenty."""
LATE = 60.0
"""Seconds beyond its limits after which a run is ended from here, since it did not end itself."""

Reason = Literal["done", "stopped", "timed_out", "trouble"]
Listener = Callable[[Change, Entry], object]


class Preparer(Protocol):
    """Makes the next attempt at an entry: its directory and its command."""

    def __call__(self, entry: Entry, threads: int) -> tuple[RunDirectory, Attempt]: ...


@dataclass
class Running:
    """An attempt under way."""

    run: RunDirectory
    pulse: Pulse
    started: float
    asked: Asked = ""
    asked_at: float = 0.0
    killed: bool = False


@dataclass(frozen=True)
class Ending:
    """Why a batch was left, and the error where the machine was to blame."""

    reason: Reason
    trouble: MachineError | None = None


@dataclass
class Scheduler:
    """One go at a batch. Nothing is decided by time of day, so that clocks may jump.

    Attributes:
        board: The entries; those that are queued are run.
        executor: Carries out attempts.
        prepare: Makes attempts.
        append: Keeps a change for ever; raises MachineError where the disk refuses.
        limits: How long things may take.
        retries: What is tried again.
        listeners: Told of every change.
        signals: How often a person has asked to stop so far.
        clock: Seconds, never going back.
        sleep: Waits for so many seconds.
    """

    board: Board
    executor: Executor
    prepare: Preparer
    append: Callable[[Change], object]
    limits: BatchLimits = field(default_factory=BatchLimits)
    retries: Retries = field(default_factory=Retries)
    listeners: Sequence[Listener] = ()
    signals: Callable[[], int] = lambda: 0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def __post_init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._queue = deque(entry.key for entry in self.board.within("queued"))
        self._not_before: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._reason: Reason = "done"
        self._trouble: MachineError | None = None

    def run(self) -> Ending:
        """Runs until nothing is left to do, or a person, the time or the machine ends it."""
        begun = self.clock()
        while self._queue or self._running:
            try:
                self._take_ends()
                self._watch()
                self._heed(self.clock() - begun)
                if self._reason == "done":
                    self._start_some()
            except MachineError as error:
                self._leave("trouble", error)
            if self._reason != "done" and not self._running:
                break
            self.sleep(POLL_SECONDS)
        return Ending(self._reason, self._trouble)

    def _start_some(self) -> None:
        """Starts attempts while there are places, in the order of the queue."""
        now = self.clock()
        waiting = [key for key in self._queue if self._not_before.get(key, 0.0) <= now]
        for key in waiting[: max(self.executor.slots - len(self._running), 0)]:
            self._start(key)

    def _start(self, key: str) -> None:
        run, attempt = self.prepare(self.board[key], self.executor.threads)
        self._queue.remove(key)
        # on record before it is started: what runs is never unknown
        self._change(Change(key, "running", run))
        if self._reason != "done":
            self._change(Change(key, "stopped"))
            return
        try:
            self.executor.start(attempt)
        except MachineError as error:
            self._change(Change(key, "lost", error=error.to_dict()))
            raise
        self._running[key] = Running(run, Pulse(run.path / HEARTBEAT, self.clock), self.clock())

    def _take_ends(self) -> None:
        for ended in self.executor.poll():
            self._end(ended.key, ended)

    def _end(self, key: str, ended: Ended | None) -> None:
        """Judges an attempt that is over; news of one that was given up long ago is ignored."""
        running = self._running.pop(key, None)
        if running is None:
            return
        change = judge(key, running.run, ended, running.asked)
        self._change(change)
        self._perhaps_again(change, running.asked)

    def _perhaps_again(self, change: Change, asked: Asked) -> None:
        tries = self._tries.get(change.key, 0)
        wanted = change.state in ("failed", "lost") and is_transient(change.error)
        if not wanted or asked == "stop" or self._reason != "done" or tries >= self.retries.times:
            return
        pause = pause_before(self.retries, self.board[change.key], tries)
        self._tries[change.key] = tries + 1
        self._not_before[change.key] = self.clock() + pause
        self._queue.append(change.key)
        detail = f"again in {pause:.0f} s, attempt {self.board[change.key].attempts + 1}"
        self._change(Change(change.key, "queued", error=change.error, detail=detail))

    def _watch(self) -> None:
        """Ends what takes too long, gives no sign of life, or doesn't stop when asked to."""
        now = self.clock()
        for key, running in [*self._running.items()]:
            if running.killed and now - running.asked_at > 2 * STOP_GRACE:
                self._end(key, None)  # the executor will never tell
            elif running.asked and not running.killed and now - running.asked_at > STOP_GRACE:
                self._ask(key, running.asked, kill=True)
            elif running.asked:
                continue
            elif now - running.started > self.limits.run + self.limits.start + LATE:
                self._ask(key, "timeout")
            elif running.pulse.silence() > self.limits.silence:
                self._ask(key, "silence", kill=True)

    def _heed(self, seconds: float) -> None:
        """Leaves when a person or the batch's own limit says so."""
        signals = self.signals()
        if signals and self._reason == "done":
            self._leave("stopped")
        if self.limits.batch is not None and seconds > self.limits.batch and self._reason == "done":
            self._leave("timed_out")
        if signals > 1:
            for key, running in self._running.items():
                if not running.killed:
                    self._ask(key, running.asked or "stop", kill=True)

    def _leave(self, reason: Reason, trouble: MachineError | None = None) -> None:
        """Starts nothing more and asks everything that runs to stop."""
        first = self._reason == "done"
        self._reason = reason if first else self._reason
        self._trouble = self._trouble or trouble
        for key, running in [*self._running.items()]:
            if not running.asked:
                self._ask(key, "stop")
        if not first and trouble is not None:  # the executor itself is gone
            for key, running in [*self._running.items()]:
                self._running[key] = replace(running, asked="")
                self._end(key, None)

    def _ask(self, key: str, asked: Asked, *, kill: bool = False) -> None:
        now = self.clock()
        running = self._running[key]
        self._running[key] = replace(running, asked=asked, asked_at=now, killed=kill)
        try:
            self.executor.stop(key, kill=kill)
        except MachineError as error:
            self._trouble = self._trouble or error

    def _change(self, change: Change) -> None:
        if not self.board.apply(change):
            return
        for listener in self.listeners:
            listener(change, self.board[change.key])
        try:
            self.append(change)
        except MachineError as error:
            # what runs is stopped; the next go sees from the runs themselves how far they were
            if self._trouble is None:
                self._leave("trouble", error)
