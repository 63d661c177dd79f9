"""Batches of real notebooks on the local executor: killed, interrupted, gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import tiny
from killed_runs import result_of
from tunebook.batch.folder import BatchFolder, find_batches
from tunebook.batch.orphans import processes_of
from tunebook.kernels.client import ask_all
from tunebook.kernels.preload import PRELOAD_VARIABLE
from tunebook.kernels.server import IDLE_VARIABLE
from tunebook.records import find_runs
from warm_servers import own_servers

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "notebooks" / "fixtures"
COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str], str]:
    """Writes a case file whose notebook is a fixture; its model is never loaded."""

    def write(name: str) -> str:
        notebook = str(FIXTURES / f"{name}.ipynb")
        content = tiny.case_content(tmp_path / "no model", name=name, notebook=notebook)
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        return path.name

    return write


def begin(*arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    # in a session of its own, as in another terminal
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def lines_of(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    stdout, stderr = process.communicate(timeout=300)
    assert stdout, stderr
    return [json.loads(line) for line in stdout.splitlines()]


def only_batch() -> BatchFolder:
    (found,) = find_batches(Path("runs"))
    return found


def wait_for(condition: Callable[[], object], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.1)


def test_killed_five_times_in_a_row_nothing_is_lost_or_done_twice(case: Any) -> None:
    process = begin(
        "batch", case("works"), "--grid", "seed=1..4", "-E", "workers=2", "--kernel", "cold"
    )
    wait_for(lambda: find_batches(Path("runs")) and only_batch().log_file.exists())
    batch = only_batch()
    for number in range(5):
        wait_for(lambda: processes_of(batch.path) or process.poll() is not None)  # noqa: B023
        time.sleep(0.4 + 0.7 * number)
        process.kill()
        process.communicate()
        process = begin("resume", batch.batch_id, "--json", "-E", "workers=2")
    summary = lines_of(process)[-1]
    assert process.returncode == 0
    assert summary["counts"] == {"succeeded": 4}
    log = batch.read_log()
    assert Counter(c.key for c in log if c.state == "succeeded") == dict.fromkeys(
        [entry.key for entry in batch.board().entries], 1
    )
    for key in {change.key for change in log}:  # what has succeeded is never started again
        states = [change.state for change in log if change.key == key]
        assert states[-1] == "succeeded"
    assert set((batch.path / "done.txt").read_text().split()) == {"1", "2", "3", "4"}
    assert processes_of(batch.path) == []
    succeeded = [run for run in find_runs(Path("runs")) if run.read_record().status == "succeeded"]
    assert len(succeeded) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="warm kernels are forked on Linux alone")
def test_one_server_of_warm_kernels_serves_all_runs_of_a_batch(case: Any) -> None:
    """It is begun below the first run, and neither ends with it nor takes others along."""
    jupyter = "ipykernel.kernelapp,ipykernel.ipkernel,ipykernel.zmqshell"
    with own_servers(**{PRELOAD_VARIABLE: jupyter, IDLE_VARIABLE: "60"}):
        process = begin("batch", case("works"), "--grid", "seed=1..4", "-E", "workers=2", "--json")
        *changes, summary = lines_of(process)
        assert summary["counts"] == {"succeeded": 4}
        assert {change["attempt"] for change in changes} <= {0, 1}
        (server,) = ask_all("status")
        assert (server["forks"], server["kernels"]) == (4, 0)
    kernels = [run.read_record().kernel["kind"] for run in find_runs(Path("runs"))]
    assert kernels == ["warm"] * 4


def test_killed_five_times_while_it_trains_a_batch_ends_with_the_scores_of_an_unbroken_one(
    tiny_bert: Path, tmp_path: Path
) -> None:
    content = tiny.case_content(tiny_bert, name="trains")
    content |= {"notebook": str(FIXTURES / "trains.ipynb"), "checkpoints": {"every_steps": 5}}
    content["training"] |= {"epochs": 40, "evaluations": 4}
    (tmp_path / "trains.json").write_text(json.dumps(content))
    plan = ["batch", "trains.json", "--grid", "strategy=full,lora", "--json"]
    options = ["-E", "workers=2"]
    whole = begin(*plan, *options, "--runs-dir", "whole")
    assert lines_of(whole)[-1]["counts"] == {"succeeded": 2}

    process = begin(*plan, *options)
    wait_for(lambda: find_batches(Path("runs")))
    for _ in range(5):
        began = time.time()
        wait_for(lambda: any(made > began for made in checkpoints_of(only_batch())))  # noqa: B023
        process.kill()
        process.communicate()
        process = begin("resume", only_batch().batch_id, "--json", *options)
    assert lines_of(process)[-1]["counts"] == {"succeeded": 2}

    assert len(results_of(Path("whole"))) == 2
    assert results_of(Path("runs")) == results_of(Path("whole"))
    records = [run.read_record() for run in find_runs(Path("runs"))]
    assert len(records) == 2
    assert sum(len(record.resumed) for record in records) >= 5
    assert any(each.step > 0 for record in records for each in record.resumed)


def checkpoints_of(batch: BatchFolder) -> list[float]:
    """Returns when each checkpoint was made that lies in the batch."""
    return [found.stat().st_mtime for found in batch.path.glob("runs/*/checkpoints/0*")]


def results_of(runs: Path) -> dict[str, Any]:
    """Returns all that a run comes to, but its times, by strategy."""
    return {run.read_record().strategy: result_of(run.path) for run in find_runs(runs)}


def test_an_interrupt_leaves_what_can_be_gone_on_with(case: Any) -> None:
    process = begin(
        "batch",
        case("hangs"),
        "--grid",
        "seed=1..2",
        "-E",
        "workers=1",
        "--kernel",
        "cold",
        "--json",
    )
    wait_for(lambda: [*Path("runs").glob("batches/*/runs/*/record.json")])
    second = begin("resume", only_batch().batch_id, "--json")  # twice at once
    refused = lines_of(second)
    assert second.returncode == 2
    assert refused[-1]["error"]["problems"][0]["code"] == "batch.driven"
    assert str(process.pid) in refused[-1]["error"]["problems"][0]["found"]
    looked = lines_of_one("batches", "last")
    assert looked["driven"] is True
    assert looked["counts"] == {"queued": 1, "running": 1}
    os.kill(process.pid, signal.SIGINT)
    *changes, summary = lines_of(process)
    assert process.returncode == 5
    assert summary["counts"] == {"queued": 1, "stopped": 1}
    assert changes[-1]["state"] == "stopped"
    assert any("tunebook resume" in command for command in summary["next"])
    (run,) = find_runs(Path("runs"))
    assert run.read_record().status == "stopped"
    assert processes_of(only_batch().path) == []


def test_a_killed_attempt_is_seen_and_tried_again(case: Any) -> None:
    process = begin(
        "batch", case("works"), "--grid", "seed=1", "--json", "--retries", "1", "--kernel", "cold"
    )
    wait_for(lambda: [*Path("runs").glob("batches/*/runs/*/record.json")])
    attempts = [p for p in processes_of(only_batch().path) if "tunebook.batch" in p.cmdline()]
    below = [child for each in attempts for child in each.children(recursive=True)]
    attempts[0].kill()
    *changes, summary = lines_of(process)
    assert [c["state"] for c in changes] == ["running", "lost", "queued", "running", "succeeded"]
    assert "SIGKILL" in changes[1]["error"]["problems"][0]["found"]
    assert summary["exit_code"] == process.returncode == 0
    assert not any(child.is_running() for child in below)


def lines_of_one(*arguments: str) -> Any:
    result = subprocess.run([*COMMAND, *arguments, "--json"], capture_output=True, check=True)
    return json.loads(result.stdout)


def test_a_second_interrupt_kills_and_no_relative_is_left(case: Any) -> None:
    """This kernel doesn't heed interrupts, and has a child with a session of its own."""
    process = begin("batch", case("hangs_on"), "--grid", "seed=1", "--kernel", "cold", "--json")
    wait_for(lambda: [*Path("runs").glob("batches/*/runs/*/child.pid")])
    (file,) = Path("runs").glob("batches/*/runs/*/child.pid")
    child = int(file.read_text())
    assert psutil.pid_exists(child)
    for _ in range(2):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(1)
    summary = lines_of(process)[-1]
    assert summary["counts"] == {"stopped": 1}
    assert process.returncode == 5
    assert not psutil.pid_exists(child)
    assert processes_of(only_batch().path) == []
