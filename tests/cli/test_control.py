"""A run is steered and watched from other processes: control, watch, events."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from tunebook.cli.dashboard import Dashboard, spark
from tunebook.controls import CONTROLS
from tunebook.events import ControlAnswered, Evaluated, EventLog, Noted, StageStarted, StepTaken
from tunebook.ownership import RUNS, owned
from tunebook.records import RunDirectory

Invoke = Callable[..., Any]
COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]
NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "fixtures" / "trains.ipynb"


def problem_of(result: Any) -> dict[str, Any]:
    return json.loads(result.stdout)["error"]["problems"][0]


def test_the_help_names_everything_that_can_be_asked(invoke: Invoke) -> None:
    told = invoke("control", "--help").stdout
    assert len(CONTROLS) == 9
    assert [name for name in CONTROLS if f"{name} " not in told] == []


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        (("pausw",), "control.unknown", "action"),
        (("set", "learning_rat=1"), "config.unknown_key", "learning_rat"),
        (("set", "learning_rate=quick"), "config.invalid", "learning_rate"),
        (("pause", "learning_rate=1"), "config.unknown_key", "learning_rate"),
        (("note",), "config.invalid", "text"),
        (("pause",), "control.not_running", None),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_written(
    invoke: Invoke, finished_run: RunDirectory, arguments: Any, code: str, where: str | None
) -> None:
    result = invoke("control", "last", *arguments, "--json")
    found = problem_of(result)
    assert (result.exit_code, found["code"]) == (2, code)
    assert found["where"] == (where or finished_run.run_id)
    assert not finished_run.control_file.exists()


def test_what_nothing_has_become_of_yet_stays_asked(
    invoke: Invoke, finished_run: RunDirectory
) -> None:
    with owned(finished_run.path, RUNS):
        result = invoke("control", "last", "set", "learning_rate=1e-5", "--wait", 0, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["state"]) == (0, "waiting")
    (line,) = finished_run.control_file.read_text().splitlines()
    asked = json.loads(line)
    assert (asked["id"], asked["by"], asked["learning_rate"]) == (told["request"], "cli", 1e-5)


def test_a_run_of_several_processes_is_refused(invoke: Invoke, finished_run: RunDirectory) -> None:
    record = finished_run.read_record()
    finished_run.write_record(record.updated(hardware={"processes": {"count": 2}}))
    result = invoke("control", "last", "pause", "--json")
    assert (result.exit_code, problem_of(result)["code"]) == (2, "control.processes")


def test_events_are_lines(invoke: Invoke, finished_run: RunDirectory) -> None:
    log = EventLog(finished_run.events_file)
    log(StageStarted("training"))
    log(StepTaken(1, 2, 0.5, 0.7, 1e-4, 10.0, 1.0))
    log(ControlAnswered("x", "set", {"learning_rate": 1e-5}, "me", True, "", "training", 1))
    log(ControlAnswered("y", "resume", {}, "me", False, "it isn't paused", "training", 1))
    assert invoke("events", "last").stdout.splitlines() == [
        "stage        training".replace("stage        ", ""),
        "step         1/2  loss 0.7000  learning rate 0.0001",
        "control      step 1  set learning_rate=1e-05",
        "control      step 1  resume  refused: it isn't paused",
    ]
    told = [json.loads(line) for line in invoke("events", "last", "--json").stdout.splitlines()]
    assert [(e["number"], e["type"]) for e in told] == [
        (0, "stage"),
        (1, "step"),
        (2, "control"),
        (3, "control"),
    ]
    assert all(event["schema_version"] == 1 for event in told)
    since = invoke("events", "last", "--json", "--since", 3).stdout.splitlines()
    assert [json.loads(line) for line in since] == told[3:]
    followed = invoke("events", "last", "--json", "--follow")  # nobody works on it: it ends
    assert [json.loads(line) for line in followed.stdout.splitlines()] == told


def test_a_curve_of_one_line() -> None:
    assert spark([1.0, 2.0, 3.0], 10) == "▁▅█"
    assert spark([5.0] * 3, 2) == "▁▁"
    assert spark([float("nan")], 2) == ""
    assert len(spark([*map(float, range(1000))], 60)) == 60


def test_the_dashboard_shows_where_a_run_is(finished_run: RunDirectory) -> None:
    from rich.console import Console

    dashboard = Dashboard(finished_run, io.StringIO())
    for event in (
        StageStarted("training"),
        StepTaken(5, 10, 0.5, 0.7, 1e-4, 10.0, 65.0),
        Evaluated(5, 0.5, {"macro_f1": 0.61}, True),
        Noted("something"),
        ControlAnswered("x", "pause", {}, "me", True, "", "training", 5),
    ):
        dashboard(event)
    console = Console(file=io.StringIO(), width=120)
    console.print(dashboard.picture())
    told = console.file.getvalue()  # type: ignore[attr-defined]
    for part in (
        finished_run.run_id,
        "training, paused",
        "5 of 10",
        "1 min 05 s",
        "0.0001",
        "0.7000",
        "macro_f1 0.610  at step 5",
        "something",
    ):
        assert part in told


# ---- a real run ----


def begin(*arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *arguments], stdout=pipe, stderr=pipe, text=True)


def steps_of(run: RunDirectory) -> int:
    lines = run.events_file.read_text().splitlines() if run.events_file.exists() else []
    return len([line for line in lines if '"type": "step"' in line])


@pytest.mark.slow
def test_a_run_is_steered_from_another_process(
    tiny_bert: Path, tmp_path: Path, tunebook: Callable[..., Any]
) -> None:
    content = tiny.case_content(tiny_bert, name="trains", notebook=str(NOTEBOOK))
    content["training"] |= {"epochs": 500, "evaluations": 4}
    (tmp_path / "trains.json").write_text(json.dumps(content))
    process = begin("run", "trains.json", "--json")

    def directory() -> RunDirectory | None:
        return next(map(RunDirectory, Path("runs").glob("trains/*")), None)

    until = time.monotonic() + 120
    while not ((run := directory()) and steps_of(run) > 2):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
    follower = begin("events", "last", "--follow", "--json")
    watcher = begin("watch", "last", "--json")

    def ask(*arguments: str) -> dict[str, Any]:
        result = tunebook("control", "last", *arguments, "--json")
        assert result.returncode == 0, result.stdout
        told: dict[str, Any] = json.loads(result.stdout)
        assert told["state"] == "accepted"
        return told

    paused = ask("pause")
    before = steps_of(run)
    time.sleep(1)
    assert steps_of(run) == before
    assert ask("set", "learning_rate=1e-5")["step"] == paused["step"]
    refused = tunebook("control", "last", "unfreeze", "--json")
    assert (refused.returncode, problem_of(refused)["code"]) == (2, "control.refused")
    assert json.loads(refused.stdout)["state"] == "refused"
    ask("resume")
    ask("note", "the", "loss", "looks", "fine")
    stopped = ask("stop", "--by", "a test")
    told = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 0
    assert told["status"] == "succeeded"
    events = [json.loads(line) for line in follower.communicate(timeout=60)[0].splitlines()]
    assert follower.returncode == 0
    assert [e["action"] for e in events if e["type"] == "control"] == [
        "pause",
        "set",
        "unfreeze",
        "resume",
        "note",
        "stop",
    ]
    assert events[-1]["type"] == "ended"
    assert json.loads(watcher.communicate(timeout=60)[0])["status"] == "succeeded"
    record = run.read_record()
    assert record.training["steps"] == stopped["step"] < record.training["planned_steps"]
    assert "steered by hand" in tunebook("show", "last").stdout
    assert "Steered by hand" in run.report.read_text()
    assert "asked by a test" in tunebook("show", "last").stdout


@pytest.fixture
def started(tiny_bert: Path, tmp_path: Path) -> Callable[[int], subprocess.Popen[str]]:
    """Begins a run whose notebook trains in the background and waits."""

    def run(epochs: int) -> subprocess.Popen[str]:
        notebook = NOTEBOOK.with_name("starts.ipynb")
        content = tiny.case_content(tiny_bert, name="trains", notebook=str(notebook))
        content["training"] |= {"epochs": epochs, "evaluations": 2}
        (tmp_path / "trains.json").write_text(json.dumps(content))
        return begin("run", "trains.json", "--json")

    return run


def outputs_of(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the outputs of a cell that aren't printed."""
    return [output for output in cell.get("outputs", []) if "data" in output]


@pytest.mark.slow
def test_a_run_in_the_background_under_papermill_is_lines_of_text(
    started: Callable[[int], subprocess.Popen[str]],
) -> None:
    process = started(3)
    told = json.loads(process.communicate(timeout=120)[0])
    assert (process.returncode, told["status"]) == (0, "succeeded")
    (notebook,) = Path("runs").glob("trains/*/notebook.ipynb")
    cells = json.loads(notebook.read_text())["cells"]
    printed = "".join(
        "".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", [])
    )
    assert "evaluation   step" in printed
    assert "ButtonModel" not in notebook.read_text()  # no panel
    shown = ["".join(o["data"].get("text/html", "")) for c in cells for o in outputs_of(c)]
    (picture,) = [text for text in shown if "tunebook-run" in text]
    assert "succeeded</div>" in picture
    assert picture.count("<polyline") >= 3  # curves, and not what stood there at the start
    assert (notebook.parent / "report.html").exists()


@pytest.mark.slow
def test_ctrl_c_ends_a_run_in_the_background_as_any_other(
    started: Callable[[int], subprocess.Popen[str]],
) -> None:
    process = started(500)
    until = time.monotonic() + 120
    while not any(steps_of(run) > 2 for run in map(RunDirectory, Path("runs").glob("trains/*"))):
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    told = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 5, told
    (run,) = map(RunDirectory, Path("runs").glob("trains/*"))
    assert run.read_record().status == "stopped"
    assert run.read_record().error["problems"][0]["code"] == "run.stopped"
