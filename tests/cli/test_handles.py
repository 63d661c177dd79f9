"""Runs by handle from the command line: started apart, asked after, waited for, stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from tunebook.events import EventLog, StageStarted, StepTaken
from tunebook.ownership import RUNS, owned
from tunebook.records import RunDirectory

Invoke = Callable[..., Any]


def told(result: Any, exit_code: int = 0) -> dict[str, Any]:
    assert result.exit_code == exit_code, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


@pytest.mark.parametrize("command", ["status", "wait", "logs", "stop", "show", "resume"])
def test_a_run_that_is_not_there(invoke: Invoke, finished_run: RunDirectory, command: str) -> None:
    content = told(invoke(command, "no-such-run", "--json"), 2)
    assert content["error"]["problems"][0]["code"] == "run.unknown"
    near = finished_run.run_id[:-1] + "_"
    content = told(invoke(command, near, "--json"), 2)
    assert content["error"]["problems"][0]["fix"] == f"did you mean `{finished_run.run_id}`?"


def test_status_of_a_run_under_way(invoke: Invoke, finished_run: RunDirectory) -> None:
    record = finished_run.read_record()
    finished_run.write_record(record.updated(status="running", finished=None, report=None))
    log = EventLog(finished_run.events_file)
    log(StageStarted("training"))
    log(StepTaken(25, 100, 0.5, 0.7, 1e-4, 10.0, 65.0))
    with owned(finished_run.path, RUNS):
        content = told(invoke("status", "last", "--json"))
        assert content["state"] == "running"
        assert content["progress"]["share"] == 0.25
        assert content["next"][0] == f"tunebook wait {finished_run.run_id} --timeout 600"
        text = invoke("status").stdout
        for part in ("running", "training", "25 of 100", "1 min 05 s"):
            assert part in text
    content = told(invoke("status", "last", "--json"))
    assert (content["state"], content["exit_code"]) == ("lost", 5)
    assert content["next"][-1] == f"tunebook resume {finished_run.run_id}"


def test_waiting_for_a_run_that_goes_on_is_told_from_a_run_that_timed_out(
    invoke: Invoke, finished_run: RunDirectory
) -> None:
    record = finished_run.read_record()
    finished_run.write_record(record.updated(status="running", finished=None))
    with owned(finished_run.path, RUNS):
        content = told(invoke("wait", "last", "--timeout", "0.2", "--json"), 5)
    assert (content["state"], content["exit_code"]) == ("running", None)
    assert content["error"]["problems"][0]["code"] == "wait.timeout"
    assert "it goes on" in content["error"]["problems"][0]["found"]
    content = told(invoke("wait", "last", "--json"), 5)
    assert content["error"]["problems"][0]["code"] == "run.lost"


@pytest.mark.parametrize(
    ("kind", "exit_code"), [("DataError", 3), ("TrainingError", 4), ("MachineError", 6)]
)
def test_the_exit_code_of_waiting_is_that_of_the_run(
    invoke: Invoke, finished_run: RunDirectory, kind: str, exit_code: int
) -> None:
    problem = {key: key for key in ("code", "where", "expected", "found", "fix")}
    error = {"type": kind, "exit_code": exit_code, "problems": [problem]}
    record = finished_run.read_record()
    finished_run.write_record(record.updated(status="failed", error=error))
    content = told(invoke("wait", "last", "--json"), exit_code)
    assert content["error"] == error
    assert told(invoke("status", "last", "--json"))["exit_code"] == exit_code


def test_logs_in_pieces(invoke: Invoke, finished_run: RunDirectory) -> None:
    finished_run.log_file.write_text("".join(f"line {n}\n" for n in range(20_000)))
    first = told(invoke("logs", "last", "--since", 0, "--json"))
    assert first["more"]
    second = told(invoke("logs", "last", "--since", first["next"], "--json"))
    assert int(second["lines"][0].split()[1]) == int(first["lines"][-1].split()[1]) + 1
    result = invoke("logs", "last", "--since", 0)
    assert f"next: tunebook logs {finished_run.run_id} --since {first['next']}" in result.stderr
    assert invoke("logs", "last", "--tail", 2).stdout.splitlines() == ["line 19998", "line 19999"]
    wrong = told(invoke("logs", "last", "--since", 10**9, "--json"), 2)
    assert wrong["error"]["problems"][0]["code"] == "logs.no_such_place"
    followed = invoke("logs", "last", "--since", 0, "--follow").stdout.splitlines()
    assert len(followed) == 20_000
    line = json.loads(invoke("logs", "last", "--tail", 1, "--follow", "--json").stdout)
    assert line == {"schema_version": 1, "line": "line 19999"}


def test_results_from_the_command_line(invoke: Invoke, tmp_path: Path) -> None:
    from example_batch import add_run

    add_run(tmp_path, {"strategy": "full"})
    add_run(tmp_path, {"strategy": "lora"}, test=1)
    result = invoke("results", "--runs-dir", str(tmp_path))
    assert "2 tables: their numbers can't be compared with one another" in result.stderr
    assert result.stdout.count("macro_f1 on 120 test rows") == 2
    content = told(invoke("results", "--runs-dir", str(tmp_path), "--top", 1, "--json"))
    assert [len(group["rows"]) for group in content["groups"]] == [1, 1]
    assert content["next"][0].startswith("tunebook show 20260101-")
    assert invoke("results", "--case", "tickts", "--runs-dir", str(tmp_path)).exit_code == 2


@pytest.mark.slow
def test_a_run_is_started_apart_and_brought_to_its_end_by_others(
    tunebook: Callable[..., Any], tiny_bert: Path, tmp_path: Path
) -> None:
    content = tiny.case_content(tiny_bert)
    content["training"] |= {"epochs": 1000}
    (tmp_path / "tiny.json").write_text(json.dumps(content))

    def call(*arguments: str, code: int = 0) -> dict[str, Any]:
        result = tunebook(*arguments, "--json", stdin=-3)
        assert result.returncode == code, result.stdout + result.stderr
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    began = time.monotonic()
    start = ("run", "tiny.json", "--no-notebook", "--detach", "--once", "mine")
    run_id = call(*start)["run_id"]
    assert time.monotonic() - began < 20
    again = call(*start)
    assert (again["run_id"], again["new"]) == (run_id, False)
    assert call(*start, "-p", "seed=2", code=2)["error"]["problems"][0]["code"] == "once.other_wish"
    assert call("wait", run_id, "--timeout", "0.1", code=5)["state"] in ("starting", "running")
    until = time.monotonic() + 90
    while not call("status", run_id)["progress"]["step"]:
        assert time.monotonic() < until
    assert call("resume", run_id, code=2)["error"]["problems"][0]["code"] == "run.still_running"
    assert call("stop", run_id)["outcome"] == "accepted"
    assert call("wait", run_id, "--timeout", "90")["state"] == "succeeded"
    assert call("stop", run_id)["outcome"] == "ended"
    assert any("control" in line for line in call("logs", run_id)["lines"])
    (group,) = call("results")["groups"]
    assert group["rows"][0]["run_id"] == run_id
    assert call("resume", run_id, "--detach")["status"] == "succeeded"
    assert call("resume", run_id, "--dry-run")["complete"]
