"""Running a case from the command line, in a notebook and without one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import tiny
from tunebook.records import RunDirectory, find_runs

FIXTURES = Path(__file__).parents[1] / "notebooks" / "fixtures"
RUN_CASE = Path(__file__).parent / "fixtures" / "run_case.ipynb"
COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def case(tmp_path: Path, tiny_bert: Path) -> Callable[..., Path]:
    """Writes a case file; its notebook is the one named."""

    def write(notebook: Path | str | None = None, **changes: Any) -> Path:
        if isinstance(notebook, str):
            notebook = FIXTURES / f"{notebook}.ipynb"
        content = tiny.case_content(tiny_bert, **changes)
        content |= {"notebook": str(notebook)} if notebook else {}
        path = tmp_path / "tiny.json"
        path.write_text(json.dumps(content))
        return path

    return write


def answer(result: subprocess.CompletedProcess[str], exit_code: int = 0) -> dict[str, Any]:
    assert result.returncode == exit_code, result.stderr
    content = json.loads(result.stdout)
    assert content["schema_version"] == 1
    return content


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-p", "stratgy=lora"], "config.unknown_key"),
        (["-p", "seed=x"], "config.invalid"),
        (["-p", "training.epochs=-1"], "config.invalid"),
        (["-p", "preset=smoke"], "case.unknown_preset"),
        (["-p", "seed"], "parameter.form"),
        (["--plugin", "missing.py"], None),
    ],
)
@pytest.mark.parametrize("notebook", ["succeeds", None])
def test_a_config_error_leaves_nothing_behind(
    invoke: Any,
    case: Any,
    monkeypatch: pytest.MonkeyPatch,
    notebook: str | None,
    arguments: list[str],
    code: str | None,
) -> None:
    monkeypatch.setenv("TUNEBOOK_STRICT_PLUGINS", "1")
    result = invoke("run", case(notebook), *arguments)
    assert result.exit_code == 2
    assert f"error: {code or 'plugin.file_missing'}" in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("content", [None, "[]", '{"cells": []}'])
def test_a_bad_notebook_leaves_nothing_behind(
    invoke: Any, case: Any, tmp_path: Path, content: str | None
) -> None:
    notebook = tmp_path / "bad.ipynb"
    if content is not None:
        notebook.write_text(content)
    result = invoke("run", case(notebook))
    assert result.exit_code == 2
    assert "error: notebook." in result.stderr
    assert not Path("runs").exists()


def test_a_runs_dir_that_is_a_file_starts_nothing(invoke: Any, case: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke("run", case("succeeds"), "--runs-dir", "file")
    assert result.exit_code == 2
    assert "runs_dir.not_a_folder" in result.stderr


def test_what_the_notebook_sets_itself_is_validated_too(
    invoke: Any, case: Any, tmp_path: Path
) -> None:
    content = json.loads((FIXTURES / "succeeds.ipynb").read_text())
    content["cells"][2]["source"] = 'strategy = "lroa"\noverrides = {}'
    (tmp_path / "own.ipynb").write_text(json.dumps(content))
    result = invoke("run", case(tmp_path / "own.ipynb"))
    assert result.exit_code == 2
    assert "did you mean `lora`?" in result.stderr


@pytest.mark.slow
def test_a_run_in_a_notebook(tunebook: Call, case: Any) -> None:
    arguments = ["-p", "seed=3", "-p", "training.epochs=2", "--runs-dir", "my {runs}", "--json"]
    result = tunebook("run", case("succeeds"), *arguments)
    content = answer(result)
    assert content["status"] == "succeeded"
    assert "training" in result.stderr  # progress, followed from events.jsonl
    run = RunDirectory(Path(content["path"]))
    assert run.read_record().seed == 3
    assert run.read_case()["training"]["epochs"] == 2
    assert Path(content["files"]["notebook"]).is_file()
    assert content["next"] == [f"tunebook show {run.run_id} --runs-dir 'my {{runs}}'"]
    assert answer(tunebook("runs", "--runs-dir", "my {runs}", "--json"))["runs"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("notebook", "options", "exit_code", "code"),
    [
        ("raises", [], 4, "run.notebook_failed"),
        ("dies", [], 4, "run.kernel_died"),
        ("hangs", ["--timeout", "10"], 5, "run.timed_out"),
    ],
)
def test_exit_codes_of_runs_that_fail(
    tunebook: Call, case: Any, notebook: str, options: list[str], exit_code: int, code: str
) -> None:
    content = answer(tunebook("run", case(notebook), *options, "--json"), exit_code)
    assert content["error"]["problems"][0]["code"] == code
    assert Path(content["files"]["notebook"]).is_file()
    (run,) = find_runs(Path("runs"))
    assert run.read_record().status == content["status"] != "succeeded"


@pytest.mark.parametrize(
    ("error", "exit_code", "status"),
    [
        (KeyboardInterrupt(), 5, "stopped"),
        (OSError(28, "No space left on device", "/tmp/x"), 4, "failed"),
    ],
)
def test_whatever_happens_the_record_says_so(
    invoke: Any,
    case: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    exit_code: int,
    status: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tunebook.notebooks.launch.execute_notebook", fail)
    result = invoke("run", case("succeeds"), "--json")
    assert result.exit_code == exit_code
    assert "Traceback" not in result.stderr
    (run,) = find_runs(Path("runs"))
    assert run.read_record().status == status
    assert "Traceback" in invoke("run", case("succeeds"), "--debug").stderr


@pytest.mark.slow
def test_a_timeout_that_is_over_at_once(tunebook: Call, case: Any) -> None:
    content = answer(tunebook("run", case(), "--timeout", "1e-6", "--json"), 5)
    assert content["status"] == "timed_out"


@pytest.mark.slow
def test_ctrl_c_ends_the_run_and_its_kernel(case: Any) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", str(case("hangs")), "--json"], stdout=subprocess.PIPE, text=True
    )
    kernel = wait_for_kernel(process.pid)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 5
    assert json.loads(stdout)["status"] == "stopped"
    assert not kernel.is_running()


@pytest.mark.slow
def test_a_killed_command_leaves_no_kernel(case: Any) -> None:
    process = subprocess.Popen([*COMMAND, "run", str(case("hangs"))])
    kernel = wait_for_kernel(process.pid)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs([kernel], timeout=30)
    assert alive == []


def wait_for_kernel(parent: int) -> psutil.Process:
    """Returns the kernel below a process once it has read its connection file."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in psutil.Process(parent).children(recursive=True):
            if "ipykernel_launcher" in process.cmdline():
                time.sleep(3)
                return process
        time.sleep(0.2)
    raise AssertionError("no kernel came up")
