"""A batch on disk: the log survives a crash, a plan cannot be mixed up with another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.batch.entry import Entry
from tunebook.batch.folder import (
    BatchFolder,
    BatchLog,
    BatchPlanFile,
    find_batch,
    with_added,
)
from tunebook.batch.heartbeat import Heart, Pulse, read_beat
from tunebook.batch.job import CONCLUSION
from tunebook.batch.lock import driving, is_driven
from tunebook.batch.plan import entry_key
from tunebook.batch.standing import standing
from tunebook.batch.states import Change
from tunebook.errors import ConfigError, MachineError
from tunebook.records import RunDirectory, RunRecord, find_runs

ENTRIES = tuple(Entry(entry_key("c", {"a": n}), "c", {"a": n}) for n in range(3))


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    path = tmp_path / "runs" / "batches" / "größe-1"
    path.mkdir(parents=True)
    made = BatchFolder(path)
    made.write_plan(BatchPlanFile("größe", {"cases": ["c"]}, ENTRIES))
    return made


def changes(folder: BatchFolder) -> list[Change]:
    key = ENTRIES[0].key
    run = RunDirectory(folder.runs / "the-run")
    return [
        Change(key, "running", run),
        Change(key, "lost", error={"exit_code": 6, "problems": [{"found": "ü \udc80"}]}),
        Change(key, "queued", detail="again"),
        Change(key, "running", run),
        Change(key, "succeeded"),
    ]


def test_the_log_is_read_as_it_was_written(folder: BatchFolder) -> None:
    log = BatchLog(folder)
    for change in changes(folder):
        log.append(change)
    states = [change.state for change in folder.read_log()]
    assert states == ["running", "lost", "queued", "running", "succeeded"]
    entry = folder.board()[ENTRIES[0].key]
    assert (entry.state, entry.attempts) == ("succeeded", 2)
    assert entry.run == RunDirectory(folder.runs / "the-run")


def test_a_log_cut_off_anywhere_is_read_up_to_there_and_goes_on(folder: BatchFolder) -> None:
    log = BatchLog(folder)
    for change in changes(folder):
        log.append(change)
    whole = folder.log_file.read_bytes()
    ends = [n for n, byte in enumerate(whole, 1) if byte == ord("\n")]
    for cut in range(0, len(whole), 7):
        folder.log_file.write_bytes(whole[:cut])
        before = folder.read_log()
        assert len(before) in (sum(end <= cut for end in ends), sum(end - 1 <= cut for end in ends))
        BatchLog(folder).append(Change(ENTRIES[1].key, "running"))
        after = folder.read_log()
        assert after[:-1] == before
        assert after[-1].key == ENTRIES[1].key
    assert len(ends) == 5


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_rubbish_in_a_log_is_passed_over(
    tmp_path_factory: pytest.TempPathFactory, rubbish: list[bytes]
) -> None:
    folder = BatchFolder(tmp_path_factory.mktemp("batch"))
    good = json.dumps({"key": "k", "state": "running"}).encode()
    folder.log_file.write_bytes(b"\n".join([*rubbish, good, *rubbish]))
    assert Change("k", "running") in folder.read_log()


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("schema_version", 99, "batch.newer"),
        ("entries", [], "batch.damaged"),
        ("id", "other", "batch.damaged"),
        ("entries", None, "batch.damaged"),
    ],
)
def test_another_plan_in_the_folder_is_refused(
    folder: BatchFolder, key: str, value: object, code: str
) -> None:
    content = json.loads(folder.plan_file.read_text())
    folder.plan_file.write_text(json.dumps(content | {key: value}))
    with pytest.raises(ConfigError) as caught:
        folder.read_plan()
    assert caught.value.problems[0].code == code


def test_only_what_is_new_is_added(folder: BatchFolder) -> None:
    new = Entry(entry_key("c", {"a": 9}), "c", {"a": 9})
    grown, added = with_added(folder.read_plan(), [*ENTRIES, new])
    assert added == 1
    assert grown.entries == (*ENTRIES, new)


def test_one_process_drives(folder: BatchFolder) -> None:
    assert not is_driven(folder)
    with driving(folder):
        assert is_driven(folder)
        with pytest.raises(ConfigError) as caught, driving(folder):
            pass
        assert caught.value.problems[0].code == "batch.driven"
    assert not is_driven(folder)
    with driving(folder):  # and the next one may
        assert is_driven(folder)


def test_a_lock_of_the_dead_holds_nobody_off(folder: BatchFolder) -> None:
    folder.lock_file.touch()
    with driving(folder):
        pass
    with Heart(folder.driver_file):
        pass
    beat = json.loads(folder.driver_file.read_text())
    # another process has the id of the dead one by now
    folder.driver_file.write_text(json.dumps(beat | {"created": beat["created"] - 100}))
    assert not is_driven(folder)


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError), driving(BatchFolder(tmp_path / "file")):
        pass


def test_a_pulse_needs_no_clock_but_its_own(tmp_path: Path) -> None:
    now = [0.0]
    pulse = Pulse(tmp_path / "beat", lambda: now[0])
    now[0] = 5
    assert pulse.silence() == 5
    with Heart(tmp_path / "beat"):
        assert pulse.silence() == 0
    now[0] = 100
    assert pulse.silence() == 95
    beat = read_beat(tmp_path / "beat")
    assert beat is not None
    assert beat.here
    assert beat.alive()


@pytest.mark.parametrize(
    ("recorded", "concluded", "state"),
    [
        ("succeeded", True, "succeeded"),
        ("succeeded", False, "lost"),  # cells of its notebook were to come
        ("running", False, "lost"),
        (None, False, "lost"),
    ],
)
def test_what_a_dead_driver_left_running_is_told_from_the_run(
    folder: BatchFolder, recorded: str | None, concluded: bool, state: str
) -> None:
    run = RunDirectory.create(folder.path, "runs", "r")
    if recorded:
        blank = RunRecord(run_id=run.run_id, case="c", strategy="full", seed=0, started=0.0)
        run.write_record(blank.updated(status=recorded))
        assert [each.run_id for each in find_runs(folder.runs_dir)] == [run.run_id]
        assert run.runs_dir == folder.runs_dir
    if concluded:
        (run.path / CONCLUSION).write_text('{"exit_code": 0}')
    BatchLog(folder).append(Change(ENTRIES[0].key, "running", run))
    board, driven = standing(folder)
    assert not driven
    assert board[ENTRIES[0].key].state == state


def test_batches_are_found_by_the_beginning_of_their_names(folder: BatchFolder) -> None:
    runs = folder.runs_dir
    for name in ("größe-1", "grö", "last", str(folder.path)):
        assert find_batch(runs, name).path == folder.path
    for name in ("nothing", "", "x" * 5000):
        with pytest.raises(ConfigError) as caught:
            find_batch(runs, name)
        assert caught.value.problems[0].code == "batch.unknown"
