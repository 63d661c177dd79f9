"""The panel in a real kernel: messages of a front end reach the training while it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

import tiny

pytestmark = pytest.mark.slow


OTHERS = ("6.31.0", "7.2.0")
"""Versions of ipykernel that are tested beside the installed one."""


@pytest.fixture(scope="module", params=["", *OTHERS])
def ipykernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder that puts a version of ipykernel before the installed one; empty for that itself."""
    if not request.param:
        return ""
    folder = str(tmp_path_factory.mktemp("ipykernel"))
    options = ["--quiet", "--no-deps", "--target", folder]
    command = [sys.executable, "-m", "pip", "install", *options, f"ipykernel=={request.param}"]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ipykernel: str) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNEBOOK_RUN_DIR", raising=False)
    monkeypatch.setenv("PYTHONPATH", ipykernel, prepend=os.pathsep)
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield Notebook(client, manager)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


class Notebook:
    """A front end: it keeps the widgets that a kernel opens, and presses their buttons."""

    def __init__(self, client: Any, manager: Any) -> None:
        self.client = client
        self.manager = manager
        self.widgets: dict[str, dict[str, Any]] = {}
        self.shown: list[dict[str, Any]] = []

    def run(self, code: str) -> list[str]:
        """Runs a cell and returns what it printed."""
        return self.end(self.begin(code))

    def begin(self, code: str) -> str:
        """Has a cell run, without waiting for it; returns its message."""
        message: str = self.client.execute(code)
        return message

    def end(self, message: str) -> list[str]:
        """Waits for a cell and returns what it has printed since."""
        printed: list[str] = []
        while True:
            told = self._take(60)
            content, mine = told["content"], told["parent_header"].get("msg_id") == message
            if mine and told["msg_type"] == "stream":
                printed.append(content["text"])
            if mine and told["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))
            idle = told["msg_type"] == "status" and content["execution_state"] == "idle"
            if mine and idle:
                return printed

    def press(self, description: str) -> None:
        """Presses the button of that name, when it is there, as the browser does."""
        self.until(lambda: self._buttons(description))
        (model,) = self._buttons(description)
        content = {
            "comm_id": model,
            "data": {"method": "custom", "content": {"event": "click"}},
        }
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)

    def _buttons(self, description: str) -> list[str]:
        return [
            name
            for name, state in self.widgets.items()
            if state.get("_model_name") == "ButtonModel" and state["description"] == description
        ]

    def until(self, condition: Any, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never came"
            self._take(0.2, strict=False)

    def _take(self, timeout: float, *, strict: bool = True) -> dict[str, Any]:
        import queue

        try:
            told: dict[str, Any] = self.client.get_iopub_msg(timeout=timeout)
        except queue.Empty:
            assert not strict, "the kernel is silent"
            return {"msg_type": "", "content": {}, "parent_header": {}}
        content = told["content"]
        if told["msg_type"] == "comm_open":
            self.widgets[content["comm_id"]] = content["data"]["state"]
        elif told["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
            self.widgets[content["comm_id"]].update(content["data"]["state"])
        elif told["msg_type"] in ("display_data", "update_display_data"):
            self.shown.append(content)
        return told


def steps_in(folder: Path) -> int:
    return sum(file.read_text().count('"type": "step"') for file in folder.glob("*/*/events.jsonl"))


def write_case(folder: Path, tiny_bert: Path) -> None:
    content = tiny.case_content(tiny_bert, name="live")
    content["training"] |= {"epochs": 500, "evaluations": 4}
    (folder / "live.json").write_text(json.dumps(content))


def test_buttons_work_while_it_trains(
    kernel: Notebook, ipykernel: str, tiny_bert: Path, tmp_path: Path
) -> None:
    write_case(tmp_path, tiny_bert)
    kernel.run("import tunebook as tb\ncase = tb.load_case('live.json')")
    (version,) = kernel.run("import ipykernel; print(ipykernel.__version__)")
    assert version.strip() in OTHERS if ipykernel else version.strip() not in OTHERS
    began = time.monotonic()
    kernel.run("run = tb.start(case)\nrun")
    assert time.monotonic() - began < 3  # it returns at once
    runs = tmp_path / "runs"
    kernel.until(lambda: steps_in(runs) > 3)
    facts = [s for s in kernel.widgets.values() if s.get("_model_name") == "HTMLModel"]
    kernel.until(lambda: any("examples/s" in state["value"] for state in facts))

    kernel.press("pause")
    kernel.until(lambda: any("paused" in state["value"] for state in facts))
    before = steps_in(runs)
    time.sleep(1)
    assert steps_in(runs) == before
    assert kernel.run("print(1 + 1)") == ["2\n"]  # the kernel is free meanwhile
    kernel.press("resume")
    kernel.until(lambda: steps_in(runs) > before)
    kernel.press("stop")
    kernel.press("really stop?")
    (told,) = kernel.run("print(run.wait().record.status)")
    assert told == "succeeded\n"
    kernel.until(
        lambda: any("tunebook-run" in each["data"].get("text/html", "") for each in kernel.shown)
    )
    (record,) = [json.loads(f.read_text()) for f in runs.glob("*/*/record.json")]
    assert [each["action"] for each in record["controls"]] == ["pause", "resume", "stop"]
    assert {each["by"] for each in record["controls"]} == {"panel"}


def awaited(kernel: Notebook, folder: Path, tiny_bert: Path) -> str:
    """Starts a run that trains when this returns; returns the cell that awaits it."""
    write_case(folder, tiny_bert)
    kernel.run("import tunebook as tb\nlive = tb.start(tb.load_case('live.json'))\nlive")
    waiting = kernel.begin("run = await live\nprint(run.record.status)")
    kernel.until(lambda: steps_in(folder / "runs") > 3)
    return waiting


@pytest.mark.parametrize("ipykernel", [""], indirect=True)
def test_buttons_work_while_a_cell_awaits_the_run(
    kernel: Notebook, tiny_bert: Path, tmp_path: Path
) -> None:
    waiting = awaited(kernel, tmp_path, tiny_bert)
    kernel.press("stop")
    kernel.press("really stop?")
    assert kernel.end(waiting) == ["succeeded\n"]


@pytest.mark.parametrize("ipykernel", [""], indirect=True)
def test_an_interrupt_ends_the_run_that_a_cell_awaits(
    kernel: Notebook, tiny_bert: Path, tmp_path: Path
) -> None:
    waiting = awaited(kernel, tmp_path, tiny_bert)
    kernel.manager.interrupt_kernel()
    with pytest.raises(AssertionError, match="StoppedError"):
        kernel.end(waiting)
    # what is sent right after an error is answered without being run
    kernel.until(lambda: kernel.run("print(live.status)") == ["stopped\n"])
