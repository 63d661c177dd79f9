"""The scheduler, with an executor in memory and a clock that passes only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from batch_fakes import FakeClock, FakeExecutor, FakePreparer
from tunebook.batch.entry import Entry
from tunebook.batch.plan import BatchLimits, Retries
from tunebook.batch.scheduler import Ending, Scheduler
from tunebook.batch.states import ENDED, Board, Change
from tunebook.errors import MachineError, Problem

KEYS = ("a", "b", "c", "d")


class Batch:
    """A batch of four, what was logged of it, and the clock it runs by."""

    def __init__(self, folder: Path, executor: FakeExecutor, **options: Any) -> None:
        self.executor, self.clock = executor, FakeClock()
        self.log: list[Change] = []
        self.begun = self.clock.now
        entries = options.pop("entries", [Entry(key, "case", {}) for key in KEYS])
        self.scheduler = Scheduler(
            Board(entries),
            executor,
            FakePreparer(folder),
            options.pop("append", self.log.append),
            clock=self.clock,
            sleep=self.clock.sleep,
            **options,
        )

    def run(self) -> Ending:
        return self.scheduler.run()

    @property
    def states(self) -> dict[str, str]:
        return {entry.key: entry.state for entry in self.scheduler.board.entries}

    def error(self, key: str) -> Any:
        return (self.scheduler.board[key].error or {}).get("problems", [{}])[0].get("code")


def test_all_run_once_two_at_a_time_and_in_order(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor())
    assert batch.run() == Ending("done")
    assert set(batch.states.values()) == {"succeeded"}
    assert batch.executor.started == [*KEYS]
    assert batch.executor.most == 2
    assert [(c.key, c.state) for c in batch.log].count(("a", "running")) == 1


def test_what_has_succeeded_is_not_run(tmp_path: Path) -> None:
    entries = [
        Entry("a", "case", {}, "succeeded"),
        Entry("b", "case", {}),
        Entry("c", "case", {}, "failed"),
    ]
    batch = Batch(tmp_path, FakeExecutor(), entries=entries)
    batch.run()
    assert batch.executor.started == ["b"]
    assert batch.states == {"a": "succeeded", "b": "succeeded", "c": "failed"}


@pytest.mark.parametrize("behaviour", ["killed", "lost", "kernel_died", "almost"])
def test_what_may_be_gone_the_next_time_is_tried_again(tmp_path: Path, behaviour: str) -> None:
    batch = Batch(tmp_path, FakeExecutor({"b": [behaviour, behaviour]}))
    batch.run()
    assert set(batch.states.values()) == {"succeeded"}
    assert batch.scheduler.board["b"].attempts == 3
    assert batch.scheduler.board["a"].attempts == 1
    # with pauses of about 5 and 10 seconds, scattered by a half
    assert 7.5 <= batch.clock.now - batch.begun <= 30


def test_attempts_are_bounded(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor({"b": ["killed"] * 9}), retries=Retries(times=1))
    assert batch.run() == Ending("done")
    assert batch.states == {"a": "succeeded", "b": "lost", "c": "succeeded", "d": "succeeded"}
    assert batch.executor.started.count("b") == 2
    assert batch.error("b") == "run.lost"


def test_a_mistake_is_not_tried_again(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor({"b": ["mistake"] * 9}))
    assert batch.run() == Ending("done")
    assert batch.states["b"] == "failed"
    assert batch.executor.started.count("b") == 1
    assert batch.error("b") == "config.odd"


def test_a_run_that_hangs_is_ended_by_the_batch(tmp_path: Path) -> None:
    limits = BatchLimits(run=100, start=10)
    batch = Batch(tmp_path, FakeExecutor({"b": ["hangs"]}), limits=limits)
    batch.run()
    assert batch.states["b"] == "timed_out"
    assert batch.executor.started.count("b") == 1
    assert 170 <= batch.clock.now - batch.begun < 230


@pytest.mark.parametrize("behaviour", ["stubborn", "undead"])
def test_one_that_does_not_stop_is_killed_and_given_up(tmp_path: Path, behaviour: str) -> None:
    limits = BatchLimits(run=100, start=10)
    batch = Batch(tmp_path, FakeExecutor({"b": [behaviour]}), limits=limits)
    assert batch.run() == Ending("done")
    assert batch.states["b"] == "timed_out"
    assert batch.clock.now - batch.begun < 400


def test_one_without_a_sign_of_life_is_lost_and_tried_again(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor({"b": ["silent"]}), limits=BatchLimits(silence=30))
    batch.run()
    assert batch.states["b"] == "succeeded"
    lost = [change for change in batch.log if change.state == "lost"]
    assert [change.key for change in lost] == ["b"]
    assert "no sign of life" in str(lost[0].error)


def test_one_that_beats_is_left_alone(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor(takes=1000), limits=BatchLimits(silence=30))
    batch.run()
    assert set(batch.states.values()) == {"succeeded"}
    assert len(batch.executor.started) == 4


def interrupted(batch: Batch, after: Sequence[int]) -> None:
    """Signals come with the polls of these numbers."""
    polls = 0

    def poll() -> None:
        nonlocal polls
        polls += 1

    batch.executor.on_poll = poll
    batch.scheduler.signals = lambda: sum(polls >= number for number in after)


def test_one_interrupt_lets_runs_write_their_records(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor(takes=50))
    interrupted(batch, [5])
    assert batch.run() == Ending("stopped")
    assert batch.states == {"a": "stopped", "b": "stopped", "c": "queued", "d": "queued"}
    assert batch.error("a") == "run.stopped"
    assert batch.clock.now - batch.begun < 5


def test_two_interrupts_kill(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor({"a": ["stubborn"], "b": ["stubborn"]}))
    interrupted(batch, [5, 10])
    assert batch.run() == Ending("stopped")
    assert batch.states == {"a": "stopped", "b": "stopped", "c": "queued", "d": "queued"}
    assert batch.clock.now - batch.begun < 5


def test_the_time_of_a_batch_is_limited(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor(takes=100), limits=BatchLimits(batch=10))
    assert batch.run() == Ending("timed_out")
    assert batch.states == {"a": "stopped", "b": "stopped", "c": "queued", "d": "queued"}


def test_a_cluster_that_vanishes_loses_nothing(tmp_path: Path) -> None:
    batch = Batch(tmp_path, FakeExecutor(takes=50))
    polls = 0

    def vanish() -> None:
        nonlocal polls
        polls += 1
        batch.executor.gone = polls > 5

    batch.executor.on_poll = vanish
    ending = batch.run()
    assert ending.reason == "trouble"
    assert ending.trouble is not None
    assert ending.trouble.problems[0].code == "executor.gone"
    assert batch.states == {"a": "lost", "b": "lost", "c": "queued", "d": "queued"}


@pytest.mark.parametrize("full_at", range(1, 10))
def test_a_disk_that_fills_up_stops_the_batch(tmp_path: Path, full_at: int) -> None:
    written: list[Change] = []

    def append(change: Change) -> None:
        if len(written) >= full_at:
            found = "No space left on device"
            raise MachineError(Problem("environment.not_writable", "log", "space", found, "free"))
        written.append(change)

    batch = Batch(tmp_path, FakeExecutor(), append=append)
    ending = batch.run()
    assert (ending.reason == "trouble") == (full_at < 8)  # four starts and four ends are logged
    assert "running" not in batch.states.values()
    assert len(batch.states) == 4
    assert not batch.executor.running()


def test_places_may_come_and_go(tmp_path: Path) -> None:
    executor = FakeExecutor(places=0)
    batch = Batch(tmp_path, executor)

    def open_up() -> None:
        executor.places = 4 if batch.clock.now > batch.begun + 3 else 0

    executor.on_poll = open_up
    assert batch.run() == Ending("done")
    assert executor.most == 4


def test_listeners_hear_every_change_once(tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []
    batch = Batch(
        tmp_path,
        FakeExecutor({"c": ["mistake"]}),
        listeners=[lambda _, entry: heard.append((entry.key, entry.state))],
    )
    batch.run()
    assert heard == [(change.key, change.state) for change in batch.log]
    assert sum(state in ENDED for _, state in heard) == 4
