"""A wish that is repeated is one run."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from tunebook.errors import ConfigError, MachineError, Problem
from tunebook.handles import start_once
from tunebook.records import RunDirectory, RunRecord


class Starter:
    """Makes runs, and counts them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, 0

    def __call__(self) -> RunDirectory:
        self.made += 1
        run = RunDirectory.create(self.folder, "tiny", "full")
        run.write_record(
            RunRecord(run_id=run.run_id, case="tiny", strategy="full", seed=0, started=0.0)
        )
        return run


@pytest.fixture
def start(tmp_path: Path) -> Starter:
    return Starter(tmp_path / "runs")


def test_again_is_the_same_run(start: Starter) -> None:
    first, new = start_once("a", {"seed": 1}, start.folder, start)
    again, anew = start_once("a", {"seed": 1}, start.folder, start)
    assert (new, anew, first, start.made) == (True, False, again, 1)
    other, _ = start_once("b", {"seed": 1}, start.folder, start)
    assert other != first


@pytest.mark.parametrize("key", ["", "../x", "é" * 5000, "a\n\0b", "\udcff"])
def test_any_text_is_a_key(start: Starter, key: str) -> None:
    assert start_once(key, {}, start.folder, start)[1]
    assert not start_once(key, {}, start.folder, start)[1]
    assert {p.parent.name for p in start.folder.parent.rglob("*.json")} <= {
        ".once",
        *(p.name for p in start.folder.glob("tiny/*")),
    }


def test_a_key_stands_for_one_wish(start: Starter) -> None:
    first, _ = start_once("a", {"seed": 1}, start.folder, start)
    with pytest.raises(ConfigError) as caught:
        start_once("a", {"seed": 2}, start.folder, start)
    (problem,) = caught.value.problems
    assert (problem.code, start.made) == ("once.other_wish", 1)
    assert first.run_id in problem.fix


def test_a_start_that_failed_is_tried_again(start: Starter) -> None:
    def fail() -> RunDirectory:
        raise MachineError(Problem("environment.no_process", "x", "one", "none", "try again"))

    with pytest.raises(MachineError):
        start_once("a", {}, start.folder, fail)
    assert start_once("a", {}, start.folder, start)[1]


def test_a_run_that_was_removed_is_started_anew(start: Starter) -> None:
    first, _ = start_once("a", {}, start.folder, start)
    shutil.rmtree(first.path)
    assert start_once("a", {}, start.folder, start)[1]
    (file,) = (start.folder / ".once").glob("*.json")
    file.write_text("{")
    assert start_once("a", {}, start.folder, start)[1]
    assert json.loads(file.read_text())["key"] == "a"


def test_many_at_once_start_one(start: Starter) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(start_once("a", {}, start.folder, start)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert start.made == 1
    assert sorted(new for _, new in found) == [False] * 7 + [True]
