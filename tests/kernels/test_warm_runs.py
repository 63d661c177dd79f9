"""Runs in warm kernels are those in cold ones, only sooner; and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

import tiny
from tunebook.host import PluginHost
from tunebook.kernels.client import ask_all
from tunebook.kernels.places import FOLDER_VARIABLE
from tunebook.kernels.spec import kernel_spec
from tunebook.notebooks import Outcome, conclude, execute_notebook
from tunebook.notebooks.launch import Limits, launch, make_plan
from tunebook.records import RunDirectory, RunRecord
from warm_servers import own_servers, until

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
NOTEBOOKS = HERE.parent / "notebooks" / "fixtures"
RUN_CASE = HERE.parent / "cli" / "fixtures" / "run_case.ipynb"


@pytest.fixture(scope="module")
def warm() -> Iterator[None]:
    """A server with all its imports; its kernels' OpenBLAS has more threads than it has."""
    with own_servers(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="2"):
        yield


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """Looks about, then runs a case."""
    content = json.loads(RUN_CASE.read_text())
    source = (HERE / "fixtures" / "state.py").read_text()
    cell = {"cell_type": "code", "id": "state", "metadata": {}, "outputs": []}
    content["cells"].insert(3, {**cell, "execution_count": None, "source": source})
    (tmp_path / "case.ipynb").write_text(json.dumps(content))
    return tmp_path / "case.ipynb"


def test_a_warm_run_is_a_cold_run(
    warm: None, notebook: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores, predictions, and whatever a cell could notice; two in a row share nothing."""
    case = tiny.case_content(tiny_bert) | {"notebook": str(notebook)}
    case["training"] |= {"epochs": 1, "evaluations": 1}
    file = notebook.with_name("tiny.json")
    file.write_text(json.dumps(case))
    monkeypatch.chdir(notebook.parent)
    host = PluginHost()
    plan = make_plan(host, str(file), {"seed": 3})
    runs = []
    for kernel in ("warm", "cold", "auto"):
        monkeypatch.setenv("TUNEBOOK_CACHE", str(notebook.parent / kernel))  # nothing is shared
        limits = Limits(kernel=kernel)  # type: ignore[arg-type]
        runs.append(launch(plan, host, notebook.parent / "runs", limits=limits))
    assert [record.kernel["kind"] for _, record in runs] == ["warm", "cold", "warm"]
    assert runs[1][1].kernel["why"] == "a cold one was asked for"
    assert [record.status for _, record in runs] == ["succeeded"] * 3, runs[0][1].error
    (scores, *others) = [record.report.model_dump() for _, record in runs if record.report]
    for each in (scores, *others):
        for baseline in each["baselines"]:
            baseline.pop("seconds")
    assert len(others) == 2
    assert others == [scores, scores]
    frames = [pd.read_parquet(run.predictions) for run, _ in runs]
    assert len(frames[0]) > 10
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], frame, check_exact=True)

    first, cold, second = [json.loads((run.path / "state.json").read_text()) for run, _ in runs]
    assert first["alike"] == cold["alike"]
    assert second["alike"] == cold["alike"]
    assert len(cold["alike"]) == 19
    assert cold["alike"]["pools"] == [["openblas", min(2, os.cpu_count() or 1)], ["openmp", 1]]
    assert first["generators"] >= 6
    assert first["forgotten"] == []  # of those that the server has made
    assert all(len({s["apart"][key] for s in (first, cold, second)}) == 3 for key in first["apart"])


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory.create(tmp_path / "runs", "case", "full")
    directory.write_record(blank(directory))
    return directory


def blank(run: RunDirectory) -> RunRecord:
    return RunRecord(run_id=run.run_id, case="case", strategy="full", seed=0, started=time.time())


def execute(name: str, run: RunDirectory, **options: Any) -> Outcome:
    settings = {"timeout": 120, "grace": 2, "kernel": "warm"} | options
    return execute_notebook(NOTEBOOKS / f"{name}.ipynb", run, {"seed": 7}, **settings)


def kernels() -> int:
    return sum(server["kernels"] for server in ask_all("status"))


def test_stopping_a_run_ends_a_warm_kernel_and_its_children(
    server: Path, run: RunDirectory
) -> None:
    """The notebook is deaf to interrupts, and has a child in a session of its own."""
    child = run.path / "child.pid"

    def interrupt() -> None:
        until(lambda: child.exists() and child.read_text(), 60)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    outcome = execute("hangs_on", run, grace=1)
    thread.join()
    assert outcome == Outcome("stopped", detail="SIGINT")
    assert conclude(run, outcome, blank(run)).kernel["kind"] == "warm"
    assert not psutil.pid_exists(int(child.read_text()))
    assert until(lambda: kernels() == 0, 5)
    assert len(ask_all("status")) == 1  # the server itself lives


def test_why_a_kernel_is_cold_is_in_the_record(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "/proc/none")
    record = conclude(run, execute("succeeds", run), blank(run))
    assert record.status == "succeeded"
    assert record.kernel["kind"] == "cold"
    assert "/proc/none" in record.kernel["why"]


class Manager(KernelManager):
    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**kernel_spec())


def test_jupyter_interrupts_and_restarts_it(server: Path) -> None:
    manager = Manager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()

    def run(code: str) -> tuple[str, str]:
        heard: list[str] = []
        reply = client.execute_interactive(
            code, timeout=30, output_hook=lambda m: heard.append(m["content"].get("text", ""))
        )
        return reply["content"]["status"], "".join(heard)

    try:
        client.wait_for_ready(timeout=30)
        assert run("import os; print(os.getpid(), os.environ['JPY_PARENT_PID'])") == (
            "ok",
            f"{manager.provisioner.pid} {os.getpid()}\n",
        )
        threading.Timer(1, manager.interrupt_kernel).start()
        assert run("import time; time.sleep(20)")[0] == "error"
        before = manager.provisioner.pid
        manager.restart_kernel()
        client.wait_for_ready(timeout=30)
        assert manager.provisioner.pid != before
        assert not psutil.pid_exists(before)
        assert run("print('time' in globals())")[1] == "False\n"
        assert manager.is_alive()
        os.kill(manager.provisioner.pid, signal.SIGKILL)
        assert until(lambda: not manager.is_alive())
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=30)
        assert run("print(1)") == ("ok", "1\n")
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    assert manager.has_kernel is False
    assert until(lambda: kernels() == 0, 5)


def test_its_debugger_stops_at_a_breakpoint(warm: None) -> None:
    """The debugger is imported before the fork, and has no thread and no socket there."""
    manager = Manager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()

    def ask(command: str, **arguments: Any) -> dict[str, Any]:
        content = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
        client.control_channel.send(client.session.msg("debug_request", content))
        reply: dict[str, Any] = client.get_control_msg(timeout=30)["content"]
        return reply

    def stopped() -> bool:
        heard = client.get_iopub_msg(timeout=30)
        return heard["msg_type"] == "debug_event" and heard["content"]["event"] == "stopped"

    try:
        client.wait_for_ready(timeout=60)
        assert ask("initialize", clientID="t", adapterID="", pathFormat="path")["success"]
        assert ask("attach")["success"]
        code = "stopped_here = 1\nstopped_here += 1\n"
        file = ask("dumpCell", code=code)["body"]["sourcePath"]
        source = {"path": file}
        (point,) = ask("setBreakpoints", source=source, breakpoints=[{"line": 2}])["body"][
            "breakpoints"
        ]
        assert point["verified"]
        assert ask("configurationDone")["success"]
        client.execute(code)
        assert until(stopped, 30)
        threads = ask("threads")["body"]["threads"]
        assert ask("continue", threadId=threads[0]["id"])["success"]
        assert client.get_shell_msg(timeout=30)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def test_a_usual_notebook_imports_nothing_of_weight_after_the_fork() -> None:
    script = (HERE / "fixtures" / "imported_later.py").read_text()
    command = [sys.executable, "-c", script]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(told.splitlines()[-1]) == []


def test_the_provisioner_is_an_entry_point() -> None:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="jupyter_client.kernel_provisioners", name="tunebook-warm")
    assert found.load().__name__ == "WarmProvisioner"
    assert kernel_spec()["argv"][0] == sys.executable
