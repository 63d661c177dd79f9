"""Notebooks run by papermill: however they end, a notebook and a record remain, and no process."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import papermill.engines
import psutil
import pytest

from tunebook.notebooks import Outcome, conclude, execute_notebook, supervision
from tunebook.notebooks.papermill_job import run_job
from tunebook.notebooks.verdict import VERDICTS, error_of
from tunebook.records import RunDirectory, RunRecord

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    # braces and spaces, since papermill formats paths
    directory = RunDirectory.create(tmp_path / "runs {of} {0}", "case", "full")
    directory.write_record(blank(directory))
    return directory


def blank(run: RunDirectory) -> RunRecord:
    return RunRecord(run_id=run.run_id, case="case", strategy="full", seed=0, started=time.time())


def execute(name: str, run: RunDirectory, **options: object) -> Outcome:
    settings = {"parameters": {"seed": 7}, "timeout": 120, "grace": 4} | options
    return execute_notebook(FIXTURES / f"{name}.ipynb", run, **settings)  # type: ignore[arg-type]


def text_of(run: RunDirectory) -> str:
    """Returns what the executed notebook's cells have printed."""
    cells = json.loads(run.notebook.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join("".join(output.get("text", [])) for output in outputs)


def test_the_process_of_a_notebook_imports_papermill_and_little_else() -> None:
    """Every run of a batch starts one."""
    code = "import tunebook.notebooks.papermill_job, sys; print('pydantic' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False"]


@pytest.mark.slow
def test_cells_of_text_cost_no_saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Path] = []
    write = papermill.engines.write_ipynb

    def counted(content: object, path: str) -> None:
        saved.append(Path(path))
        write(content, path)

    monkeypatch.setattr(papermill.engines, "write_ipynb", counted)
    blank = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    for texts in (0, 5):
        content = copy.deepcopy(blank)
        content.cells += [nbformat.v4.new_markdown_cell("so it is") for _ in range(texts)]
        place, output = tmp_path / f"{texts}.ipynb", tmp_path / f"{texts}-out.ipynb"
        nbformat.write(content, place)
        job = {"notebook": str(place), "output": str(output), "parameters": {}}
        job |= {"start_timeout": 60, "kernel": {"wanted": "cold"}}
        with supervision._private_folder() as folder:
            assert run_job(folder, job) == {"kind": "finished"}
        cells = json.loads(output.read_text())["cells"]
        assert {cell["metadata"]["papermill"]["status"] for cell in cells} == {"completed"}
    assert saved.count(tmp_path / "0-out.ipynb") == saved.count(tmp_path / "5-out.ipynb") > 3


def test_the_end_is_seen_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "POLL_SECONDS", 60)
    command = [sys.executable, "-c", "import time; time.sleep(0.5)"]
    started = time.monotonic()
    assert supervision.supervise(lambda: subprocess.Popen(command), 120) == (None, 0)
    assert time.monotonic() - started < 30


def relatives() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "tunebook" in str(p.cmdline())]


@pytest.mark.slow
def test_a_notebook_runs_with_its_parameters(run: RunDirectory, tmp_path: Path) -> None:
    text = "quotes ' \" {braces} \\ \n ümläut €"
    plugin = tmp_path / "mine.py"
    given = {"seed": 7, "overrides": {"a.b": None, "text": text, "list": [1, 2.5, True]}}
    outcome = execute("succeeds", run, parameters=given, plugin_files=[plugin])
    assert outcome == Outcome("finished")
    record = conclude(run, outcome, blank(run))
    assert (record.status, record.seed) == ("succeeded", 7)
    printed = text_of(run)
    assert repr(given["overrides"]) in printed
    assert f"{sys.executable} {Path.cwd()} {plugin}" in printed


@pytest.mark.slow
def test_the_source_is_not_changed(run: RunDirectory) -> None:
    before = (FIXTURES / "succeeds.ipynb").read_bytes()
    execute("succeeds", run)
    assert (FIXTURES / "succeeds.ipynb").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code", "status", "exit_code"),
    [
        ("raises", "run.notebook_failed", "failed", 4),
        ("raises_late", "run.notebook_failed", "failed", 4),
        ("misconfigured", "config.odd", "failed", 2),
        ("dies", "run.kernel_died", "failed", 4),
        ("exits", "run.kernel_died", "failed", 4),
        ("forgets", "run.unfinished", "failed", 4),
    ],
)
def test_a_failure_is_in_the_record(
    run: RunDirectory, name: str, code: str, status: str, exit_code: int
) -> None:
    record = conclude(run, execute(name, run), blank(run))
    assert record == run.read_record()
    assert record.error is not None
    assert (record.status, record.error["exit_code"]) == (status, exit_code)
    assert record.error["problems"][0]["code"] == code
    assert record.finished is not None
    assert json.loads(run.notebook.read_text())["cells"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hangs", "hangs_on"])
def test_the_watchdog_leaves_no_process(run: RunDirectory, name: str) -> None:
    outcome = execute(name, run, timeout=15, grace=2)
    assert outcome == Outcome("timed_out")
    record = conclude(run, outcome, blank(run))
    assert record.status == "timed_out"
    assert json.loads(run.notebook.read_text())["cells"]
    assert relatives() == []
    child = run.path / "child.pid"
    assert child.exists() == (name == "hangs_on")
    if child.exists():  # it had a session of its own
        assert not psutil.pid_exists(int(child.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run(run: RunDirectory, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    timer = threading.Timer(8, os.kill, (os.getpid(), number))
    timer.start()
    outcome = execute("hangs", run)
    timer.join()
    assert outcome == Outcome("stopped", detail=number.name)
    assert conclude(run, outcome, blank(run)).status == "stopped"
    assert relatives() == []
    assert signal.getsignal(number) is before


@pytest.mark.slow
def test_a_hundred_thousand_lines_arrive(run: RunDirectory) -> None:
    assert execute("prints", run).kind == "finished"
    assert text_of(run) == "".join(f"line {number}\n" for number in range(100_000))


@pytest.mark.slow
def test_a_kernel_that_does_not_answer_in_time(run: RunDirectory) -> None:
    outcome = execute("succeeds", run, start_timeout=0.01)
    # one second is the least that nbclient takes; a fast machine may start within it
    assert outcome.kind in ("kernel_start", "finished")


@pytest.mark.slow
def test_papermill_that_cannot_start_is_an_outcome(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    outcome = execute("succeeds", run)
    assert outcome.kind == "crashed"
    assert "exit status 1" in outcome.detail
    assert conclude(run, outcome, blank(run)).status == "failed"
    assert run.notebook.read_bytes() == (FIXTURES / "succeeds.ipynb").read_bytes()


KERNEL_ERROR = {
    "type": "DataError",
    "exit_code": 3,
    "problems": [{"code": "data.empty", "where": "", "expected": "", "found": "", "fix": ""}],
}


def test_what_the_kernel_recorded_is_kept(run: RunDirectory) -> None:
    told = blank(run).updated(status="failed", error=KERNEL_ERROR)
    run.write_record(told)
    record = conclude(run, Outcome("raised", "DataError", "data.empty", 3), blank(run))
    assert record == told
    error = error_of(record)
    assert error is not None
    assert (type(error).__name__, error.exit_code) == ("DataError", 3)


def test_the_watchdog_has_the_last_word(run: RunDirectory) -> None:
    run.write_record(blank(run).updated(status="stopped", error=KERNEL_ERROR))
    assert conclude(run, Outcome("timed_out"), blank(run)).status == "timed_out"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"schema_version": 99}'])
def test_a_missing_or_damaged_record_is_replaced(run: RunDirectory, content: str | None) -> None:
    run.record_file.unlink()
    if content is not None:
        run.record_file.write_text(content)
    record = conclude(run, Outcome("kernel_died"), blank(run))
    assert record.status == "failed"
    assert run.read_record() == record


def test_an_interrupt_inside_the_kernel_is_a_stop(run: RunDirectory) -> None:
    record = conclude(run, Outcome("raised", "KeyboardInterrupt", "", 2), blank(run))
    assert record.status == "stopped"
    assert record.error is not None
    assert record.error["exit_code"] == 5


def test_every_kind_of_outcome_has_a_verdict() -> None:
    from typing import get_args

    from tunebook.notebooks.supervision import Kind

    assert set(VERDICTS) == set(get_args(Kind))
    assert len(VERDICTS) == 9
