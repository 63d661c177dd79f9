"""`tunebook resume`: what was launched is launched again in its directory, or clearly refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import tiny
from killed_runs import told
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.notebooks.launch import begin, resume
from tunebook.notebooks.launched import Launched
from tunebook.ownership import LAUNCHES, owned
from tunebook.records import RunDirectory, find_runs
from tunebook.schema import CaseSchema

RUN_CASE = Path(__file__).parent / "fixtures" / "run_case.ipynb"
COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]
HOST = PluginHost()


def call(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([*COMMAND, *arguments, "--json"], capture_output=True, check=False)
    return done.returncode, json.loads(done.stdout)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kills a command and whatever it has started, as a machine that is switched off does."""
    root = psutil.Process(process.pid)
    victims = [root, *root.children(recursive=True)]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=10)
    process.wait()


def steps_of(runs: Path) -> int:
    return sum(len(told(run.path)) for run in find_runs(runs))


@pytest.mark.slow
def test_a_killed_notebook_goes_on(tiny_bert: Path, tmp_path: Path) -> None:
    content = tiny.case_content(tiny_bert, checkpoints={"every_steps": 4}, notebook=str(RUN_CASE))
    content["training"]["epochs"] = 40
    content["evaluation"]["baselines"] = []
    case, runs = tmp_path / "tiny.json", tmp_path / "runs"
    case.write_text(json.dumps(content))
    process = subprocess.Popen([*COMMAND, "run", str(case), "--runs-dir", str(runs), "--json"])
    until = time.monotonic() + 120
    while steps_of(runs) < 10 and time.monotonic() < until:
        time.sleep(0.05)
    code, refused = call("resume", "last", "--runs-dir", str(runs))
    assert (code, refused["error"]["problems"][0]["code"]) == (2, "run.still_running")
    kill_all(process)
    (run,) = find_runs(runs)
    assert run.read_record().status == "running"

    code, answer = call("resume", "last", "--runs-dir", str(runs))
    assert (code, answer["status"], answer["resumed"]) == (0, "succeeded", 1)
    record = run.read_record()
    assert record.resumed[0].stage == "training"
    assert record.resumed[0].step >= 8
    steps = [each[0] for each in told(run.path)].count("step")
    assert steps == record.training["steps"] > 200
    before = run.record_file.stat().st_mtime_ns
    code, answer = call("resume", run.run_id, "--runs-dir", str(runs))
    assert (code, answer["status"]) == (0, "succeeded")
    assert run.record_file.stat().st_mtime_ns == before


@pytest.fixture
def begun(tiny_bert: Path, tmp_path: Path) -> RunDirectory:
    run, _ = begin(tmp_path / "runs", CaseSchema(HOST).validate(tiny.case_content(tiny_bert)))
    return run


def code_of(run: RunDirectory) -> str:
    before = run.record_file.read_bytes()
    with pytest.raises(ConfigError) as caught:
        resume(run, HOST)
    assert run.record_file.read_bytes() == before
    return caught.value.problems[0].code


def test_what_was_launched_is_kept(begun: RunDirectory, tmp_path: Path) -> None:
    notebook = tmp_path / "a {notebook} ü.ipynb"
    notebook.write_text("{}")
    injected = {"seed": 7, "overrides": {"a.b": None, "text": "quotes ' \" \n €"}}
    launched = Launched.now(notebook, injected, [])
    launched.keep(begun)
    assert Launched.of(begun) == launched
    assert Launched.of(begun).changed == []
    notebook.write_text("{ }")
    assert Launched.of(begun).changed == [str(notebook)]
    notebook.unlink()
    assert code_of(begun) == "launch.file_gone"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": 1}'])
def test_a_damaged_launch_is_refused(begun: RunDirectory, content: str) -> None:
    begun.launch_file.write_text(content)
    assert code_of(begun) == "launch.unreadable"


def test_a_launch_of_a_newer_version_is_refused(begun: RunDirectory) -> None:
    Launched.now(None, {}, []).keep(begun)
    newer = json.loads(begun.launch_file.read_text()) | {"schema_version": 99}
    begun.launch_file.write_text(json.dumps(newer))
    assert code_of(begun) == "launch.newer"


def test_a_run_that_is_under_way_is_refused(begun: RunDirectory) -> None:
    with owned(begun.path, LAUNCHES):
        assert code_of(begun) == "run.still_running"


def test_a_damaged_case_is_refused(begun: RunDirectory) -> None:
    begun.case_file.write_text("{")
    assert code_of(begun) == "record.unreadable"


def test_a_run_that_was_killed_before_it_began_starts_anew(begun: RunDirectory) -> None:
    """By the library alone, since no notebook was launched; a damaged record is replaced."""
    begun.record_file.write_text("{")
    _, record = resume(begun, HOST)
    assert record.status == "succeeded"
    assert [(each.stage, each.step) for each in record.resumed] == [("", 0)]
    assert "TUNEBOOK_RESUME" not in os.environ
    assert not {".running.json", ".launched.json"} & {path.name for path in begun.path.iterdir()}
