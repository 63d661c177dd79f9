"""What state a run is in is read from its files, whoever has started it and whatever died."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tunebook.errors import ConfigError, ExitCode, Problem, TrainingError
from tunebook.handles import state_of, stop, wait_for
from tunebook.ownership import LAUNCHES, RUNS, check_free, is_starting, owned, owner, starting
from tunebook.records import RunDirectory
from tunebook.states import STATES, run_state

OTHER = "import time; time.sleep(60)"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which lives until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", OTHER])
    yield process
    process.kill()
    process.wait()


def end(run: RunDirectory, status: str, error: TrainingError | None = None) -> None:
    record = run.read_record()
    content = error.to_dict() if error else None
    run.write_record(record.updated(status=status, finished=record.started + 5, error=content))


def test_from_the_start_to_the_end(run: RunDirectory, other: subprocess.Popen[bytes]) -> None:
    seen = []
    with starting(run.path) as hand_over:
        hand_over(other.pid)
    seen.append(run_state(run))
    assert is_starting(run.path)
    with owned(run.path, LAUNCHES):
        seen.append(run_state(run))
        end(run, "succeeded")
        seen.append(run_state(run))  # some cells of its notebook are still to come
    other.kill()
    other.wait()
    seen.append(run_state(run))
    assert seen == ["starting", "running", "running", "succeeded"]


def test_a_killed_process_leaves_a_lost_run(
    run: RunDirectory, other: subprocess.Popen[bytes]
) -> None:
    with starting(run.path) as hand_over:
        hand_over(other.pid)
    assert run_state(run) == "starting"
    other.kill()
    other.wait()
    told = state_of(run)
    assert (told["state"], told["exit_code"]) == ("lost", ExitCode.STOPPED)
    assert told["run_error"]["problems"][0]["code"] == "run.lost"
    assert f"tunebook resume {run.run_id}" in told["run_error"]["problems"][0]["fix"]
    check_free(run.path)


def test_what_was_handed_over_is_nobody_elses(
    run: RunDirectory, other: subprocess.Popen[bytes]
) -> None:
    with starting(run.path) as hand_over:
        hand_over(other.pid)
    with pytest.raises(ConfigError) as caught, starting(run.path):
        pass
    assert caught.value.problems[0].code == "run.still_running"
    with pytest.raises(ConfigError):
        check_free(run.path)


def test_a_process_that_was_started_may_begin_itself(run: RunDirectory) -> None:
    with starting(run.path) as hand_over:
        hand_over(os.getpid())
        check_free(run.path)
        with owned(run.path, LAUNCHES):
            assert run_state(run) == "running"
    assert owner(run.path) is None
    assert [p.name for p in run.path.glob(".starting*")] == []


def test_a_start_that_fails_leaves_nobody(run: RunDirectory) -> None:
    with pytest.raises(RuntimeError), starting(run.path):
        raise RuntimeError
    assert owner(run.path) is None


@pytest.mark.parametrize(
    ("status", "error", "exit_code"),
    [
        ("succeeded", None, 0),
        ("failed", TrainingError(Problem("run.bad", "x", "good", "bad", "mend it")), 4),
    ],
)
def test_what_is_told_of_a_run_that_has_ended(
    run: RunDirectory, status: str, error: TrainingError | None, exit_code: int
) -> None:
    end(run, status, error)
    told = state_of(run)
    assert (told["state"], told["exit_code"], told["seconds"]) == (status, exit_code, 5.0)
    assert told["run_error"] == (error.to_dict() if error else None)
    assert json.loads(json.dumps(told)) == told
    assert len(STATES) == 7


def test_the_keys_are_the_same_before_and_after(run: RunDirectory) -> None:
    with owned(run.path, RUNS):
        before = state_of(run)
    end(run, "succeeded")
    assert before.keys() == state_of(run).keys()
    assert before["progress"].keys() == state_of(run)["progress"].keys()
    assert before["exit_code"] is before["run_error"] is None


def test_waiting_ends_with_the_run_or_with_the_time(run: RunDirectory) -> None:
    with owned(run.path, RUNS):
        began = time.monotonic()
        assert wait_for(run, 0.3)["state"] == "running"
        assert 0.25 < time.monotonic() - began < 3
        assert wait_for(run, 0)["state"] == "running"

    def work() -> None:
        with owned(run.path, RUNS):
            begun.set()
            time.sleep(0.4)
            end(run, "succeeded")

    begun = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    assert wait_for(run)["state"] == "succeeded"
    thread.join()


def test_stopping_what_has_ended_does_nothing(run: RunDirectory) -> None:
    end(run, "succeeded")
    told = stop(run)
    assert (told["outcome"], told["state"]) == ("ended", "succeeded")
    assert stop(run, abort=True)["outcome"] == "ended"
    assert not run.control_file.exists()


def test_stopping_what_does_not_train_yet_stays_asked(run: RunDirectory) -> None:
    with owned(run.path, RUNS):
        told = stop(run, wait=0)
        assert (told["outcome"], told["state"]) == ("waiting", "running")
        assert stop(run, abort=True, wait=0)["outcome"] == "waiting"  # not started apart
    asked = [json.loads(line)["action"] for line in run.control_file.read_text().splitlines()]
    assert asked == ["stop", "abort"]


def test_a_damaged_record_is_told(run: RunDirectory) -> None:
    run.record_file.write_text("{")
    with pytest.raises(ConfigError) as caught:
        state_of(run)
    assert caught.value.problems[0].code == "record.unreadable"
