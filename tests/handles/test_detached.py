"""A run is started, left alone, asked after by others, ended and taken up again."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunebook.errors import ConfigError, MachineError
from tunebook.handles import (
    logs_since,
    resume_detached,
    start_detached,
    state_of,
    stop,
    wait_for,
)
from tunebook.host import PluginHost
from tunebook.ownership import DETACHED
from tunebook.records import RunDirectory, find_runs

HOST = PluginHost()
TEMPLATES = Path(__file__).parents[2] / "templates"
START = """
import json, sys
from pathlib import Path
from tunebook.handles import start_detached
from tunebook.host import PluginHost
run = start_detached(PluginHost(), sys.argv[1], {}, runs_dir=Path("runs"))
print(run.path)
"""


def until(run: RunDirectory, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = time.monotonic() + 90
    while not reached(told := state_of(run)):
        assert time.monotonic() < end, (told, run.log_file.read_text())
        time.sleep(0.1)
    return told


def trains(told: dict[str, Any]) -> bool:
    assert told["exit_code"] is None, told
    return (told["progress"]["step"] or 0) > 12


def process_of(run: RunDirectory) -> int:
    return int(json.loads((run.path / DETACHED).read_text())["pid"])


def start(case: str, **options: Any) -> RunDirectory:
    return start_detached(HOST, case, {}, runs_dir=Path("runs"), **options)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_a_run_outlives_the_one_who_has_started_it(write_case: Callable[..., str]) -> None:
    case = write_case()
    command = [sys.executable, "-c", START, case]
    caller = subprocess.run(
        command, capture_output=True, text=True, check=True, start_new_session=True
    )
    run = RunDirectory(Path(caller.stdout.strip()))
    assert os.getsid(process_of(run)) == process_of(run)
    assert state_of(run)["state"] in ("starting", "running")
    told = wait_for(run, 90)
    assert (told["state"], told["exit_code"], told["run_error"]) == ("succeeded", 0, None), told
    assert told["progress"]["stage"] == "report"
    assert told["progress"]["scores"]["macro_f1"] > 0
    assert any("evaluation" in line for line in logs_since(run).lines)
    assert stop(run)["outcome"] == "ended"


@pytest.mark.slow
def test_a_plugin_that_was_made_here_goes_along(
    write_case: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "made_here.py").write_text((TEMPLATES / "my_strategy.py").read_text())
    monkeypatch.syspath_prepend(tmp_path)
    host = PluginHost()
    host.register(importlib.import_module("made_here"))
    monkeypatch.undo()  # the other process doesn't find it by itself
    case = write_case(1, strategy="my_bitfit")
    run = start_detached(host, case, {}, runs_dir=tmp_path / "runs")
    told = wait_for(run, 90)
    assert told["state"] == "succeeded", run.log_file.read_text()
    assert told["strategy"] == "my_bitfit"


@pytest.mark.slow
def test_a_killed_run_is_lost_and_resumes(write_case: Callable[..., str]) -> None:
    run = start(write_case(20))
    until(run, trains)
    with pytest.raises(ConfigError) as caught:  # another agent
        resume_detached(run)
    assert caught.value.problems[0].code == "run.still_running"
    os.kill(process_of(run), signal.SIGKILL)
    told = until(run, lambda told: told["state"] == "lost")
    assert told["exit_code"] == 5
    first = process_of(run)
    command = [sys.executable, "-m", "tunebook.cli", "resume", run.run_id, "--detach", "--json"]
    agents = [subprocess.Popen(command, stdout=-1, stderr=-1) for _ in range(3)]
    answers = [json.loads(agent.communicate()[0]) for agent in agents]
    assert sorted(agent.returncode for agent in agents) == [0, 2, 2], answers
    codes = [a["error"]["problems"][0]["code"] for a in answers if "error" in a]
    assert codes == ["run.still_running"] * 2
    assert process_of(run) != first
    told = wait_for(run, 120)
    assert (told["state"], told["resumed"]) == ("succeeded", 1), told
    assert "resumed" in "\n".join(logs_since(run).lines) or told["resumed"]


@pytest.mark.slow
def test_a_run_is_aborted_without_a_result(write_case: Callable[..., str]) -> None:
    run = start(write_case(1000))
    until(run, trains)
    assert stop(run, abort=True)["outcome"] == "accepted"
    told = wait_for(run, 60)
    assert (told["state"], told["exit_code"]) == ("stopped", 5)
    assert run.read_record().report is None
    assert stop(run, abort=True)["outcome"] == "ended"


@pytest.mark.slow
def test_what_does_not_train_yet_is_aborted_by_a_signal(
    write_case: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    run = start_detached(
        PluginHost(files=[tmp_path / "slow.py"]),
        write_case(data={"kind": "slow"}),
        {},
        runs_dir=Path("runs"),
        plugin_files=["slow.py"],
    )
    until(run, lambda told: told["progress"]["stage"] == "data")
    told = stop(run, abort=True, wait=0.2)
    assert told["outcome"] == "signalled"
    assert (told := wait_for(run, 60))["state"] == "stopped", told
    assert told["run_error"]["problems"][0]["code"] == "run.stopped"


SLOW = """
import time
from typing import Literal
from tunebook import PluginConfig, hookimpl
from tunebook.specs import DataSourcePlugin

class SlowConfig(PluginConfig):
    kind: Literal["slow"] = "slow"

class Slow:
    def __init__(self, config):
        self.config = config
    def load(self):
        time.sleep(600)

@hookimpl
def tunebook_datasources():
    yield DataSourcePlugin("slow", "Waits.", SlowConfig, f"{__name__}:Slow")
"""


def test_a_mistake_leaves_nothing_behind(write_case: Callable[..., str]) -> None:
    case = write_case()
    with pytest.raises(ConfigError) as caught:
        start_detached(HOST, case, {"stratgy": "lora"}, runs_dir=Path("runs"))
    assert caught.value.problems[0].fix == "did you mean `strategy`?"
    assert not Path("runs").exists()


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from tunebook.cli import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize("room", [0, 300, 1500])
def test_where_nothing_more_can_be_written_nothing_is_left_behind(
    write_case: Callable[..., str], room: int
) -> None:
    """The case, the record and the job are written in turn; there is no room for one of them."""
    arguments = ["run", write_case(), "--detach", "--json"]
    command = [sys.executable, "-B", "-c", FULL, str(room), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 6, result.stdout + result.stderr
    (problem,) = json.loads(result.stdout)["error"]["problems"]
    assert problem["code"] == "environment.not_writable"
    assert [*Path("runs").glob("*/*")] == []


def test_no_process_to_be_had(
    write_case: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(MachineError) as caught:
        start(write_case())
    assert caught.value.problems[0].code == "environment.no_process"
    assert find_runs(Path("runs")) == []


@pytest.mark.slow
def test_what_goes_wrong_before_the_run_begins_is_in_its_record(
    write_case: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = write_case()
    # the process finds another world than the one in which all was checked
    monkeypatch.setenv("TUNEBOOK_PLUGINS", "cases")
    run = start(case)
    told = wait_for(run, 60)
    assert (told["state"], told["exit_code"]) == ("failed", 2), told
    assert told["run_error"]["problems"]
    assert "Traceback" in run.log_file.read_text()
