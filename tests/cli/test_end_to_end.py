"""A tiny model from the command line to its predictions, each step in a process of its own."""

from __future__ import annotations

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

import tiny
from tunebook.records import RunDirectory, find_runs

NOTEBOOK = Path(__file__).parent / "fixtures" / "run_case.ipynb"
COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]
pytestmark = pytest.mark.slow
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def write_case(tmp_path: Path, tiny_bert: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        content = tiny.case_content(tiny_bert, **changes) | {"notebook": str(NOTEBOOK)}
        (tmp_path / "tiny.json").write_text(json.dumps(content))
        return tmp_path / "tiny.json"

    return write


def answer(result: subprocess.CompletedProcess[str], exit_code: int = 0) -> dict[str, Any]:
    assert result.returncode == exit_code, result.stderr
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def test_notebook_and_library_agree_and_what_they_save_predicts(
    tunebook: Call, write_case: Callable[..., Path]
) -> None:
    case = write_case()
    by_notebook = answer(tunebook("run", case, "-p", "seed=1", "--json"))
    by_library = answer(tunebook("run", case, "-p", "seed=1", "--no-notebook", "--json"))
    assert by_notebook["headline"] == by_library["headline"]
    assert {"notebook", "report", "model"} <= set(by_notebook["files"])
    assert "notebook" not in by_library["files"]
    assert by_notebook["headline"]["value"] > 0.6

    texts = ["severe heart valve rhythm", "acute lung asthma cough", "itch rash on the skin"]
    said = [
        answer(tunebook("predict", run["run_id"], *texts, "--json"))["predictions"]
        for run in (by_notebook, by_library)
    ]
    assert said[0] == said[1]
    assert [p["label"] for p in said[0]] == ["heart", "lung", "skin"]
    assert all(abs(sum(p["probabilities"].values()) - 1) < 1e-5 for p in said[0])
    shown = tunebook("show", by_notebook["run_id"])
    assert "macro_f1" in shown.stdout
    assert len(tunebook("runs").stdout.splitlines()) == 3


def test_progress_reaches_standard_error_while_it_runs(
    tunebook: Call, write_case: Callable[..., Path]
) -> None:
    result = tunebook("run", write_case(), "--json")
    stages = [line.split()[0] for line in result.stderr.splitlines() if line]
    for stage in ("data", "model", "training", "evaluation", "succeeded"):
        assert stage in stages


@pytest.mark.parametrize("options", [[], ["--no-notebook"]], ids=["notebook", "library"])
def test_bad_data_end_with_their_own_exit_code(
    tunebook: Call, write_case: Callable[..., Path], options: list[str]
) -> None:
    case = write_case(data={"kind": "memory", "rows": tiny.rows(6)}, task={"label": "labl"})
    content = answer(tunebook("run", case, *options, "--json"), 3)
    assert content["status"] == "failed"
    assert "did you mean `label`?" in content["error"]["problems"][0]["fix"]
    (run,) = find_runs(Path("runs"))
    assert run.read_record().error == content["error"]


ENDLESS = {"epochs": 1000, "learning_rate": 1e-4, "precision": "fp32", "evaluations": 1}


def test_the_library_has_a_watchdog_too(tunebook: Call, write_case: Callable[..., Path]) -> None:
    case = write_case(training=ENDLESS)
    content = answer(tunebook("run", case, "--no-notebook", "--timeout", 15, "--json"), 5)
    assert content["status"] == "timed_out"
    assert RunDirectory(Path(content["path"])).read_record().status == "timed_out"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [[], ["--no-notebook"]], ids=["notebook", "library"])
def test_a_signal_in_the_middle_of_training_leaves_a_valid_record(
    write_case: Callable[..., Path], options: list[str], number: signal.Signals
) -> None:
    command = [*COMMAND, "run", str(write_case(training=ENDLESS)), *options, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    wait_for_training(process)
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=90)
    content = json.loads(stdout)
    assert (process.returncode, content["status"]) == (5, "stopped")
    (run,) = find_runs(Path("runs"))
    assert run.read_record().status == "stopped"


def wait_for_training(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        for run in find_runs(Path("runs")):
            if run.events_file.exists() and '"step"' in run.events_file.read_text():
                return
        time.sleep(0.2)
    raise AssertionError("training has not begun")
