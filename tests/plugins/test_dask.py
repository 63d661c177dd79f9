"""The executor on dask clusters: a cluster that is there, files that are shipped, what vanishes."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tunebook.attempts import Attempt, Ended
from tunebook.errors import MachineError
from tunebook.host import PluginHost
from tunebook.testing import Candidate, checks_for
from tunebook.testing.attempting import Trial, alive

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

HOST = PluginHost()
SHIPPED = (
    "executor/files-are-there-when-it-has-ended",
    "executor/a-polite-stop-lets-it-write",
    "executor/a-killed-worker-is-survived",
)
"""Checks that go another way where the folder isn't shared."""


def dask(**settings: Any) -> Any:
    config = HOST.get("executor", "dask").config(kind="dask", **settings)
    return HOST.create("executor", config)


@pytest.mark.parametrize("check_id", SHIPPED)
def test_the_contract_is_kept_where_files_are_shipped(check_id: str) -> None:
    candidate = Candidate(HOST, "executor", HOST.get("executor", "dask"), {"shared": False})
    (check,) = [each for each in checks_for(candidate.descriptor) if each.id == check_id]
    check(candidate)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Callable[..., tuple[str, list[subprocess.Popen[bytes]]]]]:
    """Starts a scheduler and a worker by dask's own commands."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> tuple[str, list[subprocess.Popen[bytes]]]:
        file = tmp_path / "scheduler.json"
        here = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
        for part, more in (("scheduler", ("--port", "0")), ("worker", ("--nthreads", "1"))):
            command = [sys.executable, "-m", f"distributed.cli.dask_{part}", *here, *more]
            extra = (*options, "--local-directory", str(tmp_path)) if part == "worker" else ()
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen([*command, *extra], **quiet))  # type: ignore[call-overload]
            until = time.monotonic() + 60
            while not file.exists() or not file.read_text().strip():
                assert time.monotonic() < until
                time.sleep(0.05)
        return json.loads(file.read_text())["address"], started

    yield start
    for process in started:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()
        process.wait()


def test_a_cluster_that_vanishes_loses_what_ran_and_nothing_hangs(
    cluster: Any, tmp_path: Path
) -> None:
    address, (scheduler, _) = cluster("--resources", "slot=1", "--no-nanny")
    executor = dask(address=address, patience_seconds=1)
    trial = Trial(executor, tmp_path)
    try:
        attempt = trial.start("mark('pid', os.getpid()); time.sleep(600)")
        pid = trial.mark(attempt, "pid")
        scheduler.send_signal(signal.SIGKILL)
        end = trial.end_of(attempt)
        assert end.kind == "lost"
        assert end.detail
        assert not executor.running()
        trial.wait(lambda: not alive([pid]), "the end of the command", 30)
        with pytest.raises(MachineError) as caught:
            _ = [executor.slots for _ in range(20) if not time.sleep(0.2)]
        assert caught.value.problems[0].code == "executor.gone"
    finally:
        executor.close()


def test_workers_without_slots_are_told(cluster: Any) -> None:
    address, _ = cluster("--no-nanny")
    executor = dask(address=address)
    with pytest.raises(MachineError) as caught:
        _ = executor.slots
    assert caught.value.problems[0].code == "executor.no_slots"
    assert "--resources slot=1" in caught.value.problems[0].fix
    executor.close()


def test_it_listens_on_the_loopback_interface_alone_and_says_nothing(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    executor = dask(workers=1)
    assert executor.slots == 1
    me = psutil.Process()
    listening = [
        connection.laddr.ip
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    trial = Trial(executor, tmp_path)
    trial.run("print('a line')")
    executor.close()
    assert len(listening) >= 2
    assert {*listening} == {"127.0.0.1"}
    assert capfd.readouterr() == ("", "")
    assert not me.children(recursive=True)
    assert not logging.getLogger("distributed.client").filters


def test_a_lost_worker_is_made_good_by_the_engine_when_asked(tmp_path: Path) -> None:
    script = """
once = os.path.join(marks, "first")
if not os.path.exists(once):
    mark("first", os.getppid())
    time.sleep(600)
"""
    executor = dask(workers=1, retries=1)
    trial = Trial(executor, tmp_path)
    try:
        attempt = trial.start(script)
        guard = psutil.Process(trial.mark(attempt, "first"))
        os.kill(guard.ppid(), signal.SIGKILL)
        end = trial.wait(lambda: executor.slots and trial.ended.get(attempt.key), "the end")
    finally:
        executor.close()
    assert end == Ended(attempt.key, "exited", 0, "")


def test_a_change_of_mind_holds_no_slot(tmp_path: Path) -> None:
    executor = dask(workers=1)
    trial = Trial(executor, tmp_path)
    try:
        for _ in range(3):
            attempt = trial.start("time.sleep(600)")
            executor.stop(attempt.key, kill=True)
            assert trial.end_of(attempt).kind == "stopped"
        _, end = trial.run("pass")
    finally:
        executor.close()
    assert end == Ended(end.key, "exited", 0, "")


def test_a_folder_that_workers_do_not_see_is_lost_with_advice(tmp_path: Path) -> None:
    executor = dask(workers=1)
    trial = Trial(executor, tmp_path)
    try:
        attempt = Attempt("away", ("-c", "pass"), tmp_path / "nowhere")
        executor.start(attempt)
        end = trial.end_of(attempt)
    finally:
        executor.close()
    assert end.kind == "lost"
    assert "shared: false" in end.detail
