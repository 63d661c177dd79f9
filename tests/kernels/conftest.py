from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunebook.kernels.client import fork_kernel
from tunebook.kernels.preload import PRELOAD_VARIABLE
from tunebook.kernels.process import WarmProcess
from tunebook.kernels.server import IDLE_VARIABLE
from warm_servers import Fork, own_servers

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def light() -> Iterator[Path]:
    """A folder for servers that import next to nothing."""
    with own_servers(**{PRELOAD_VARIABLE: "json", IDLE_VARIABLE: "60"}) as folder:
        yield folder


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """The folder of one server for many tests, with Jupyter's modules alone."""
    jupyter = "ipykernel.kernelapp,ipykernel.ipkernel,ipykernel.zmqshell"
    with own_servers(**{PRELOAD_VARIABLE: jupyter, IDLE_VARIABLE: "60"}) as folder:
        yield folder


@pytest.fixture
def fork(tmp_path: Path) -> Iterator[Fork]:
    """Forks a kernel; they are all ended after the test."""
    made = []

    def call(*arguments: str, **options: object) -> WarmProcess:
        given = arguments or ("-f", str(tmp_path / f"kernel{len(made)}.json"))
        command = [sys.executable, "-m", "ipykernel_launcher", *given]
        environment = {**os.environ, **options.pop("environment", {})}  # type: ignore[dict-item]
        with (tmp_path / "out.txt").open("ab") as out:
            outputs = (out.fileno(), out.fileno())
            process = fork_kernel(command, environment, str(tmp_path), outputs, **options)  # type: ignore[arg-type]
        made.append(process)
        return process  # not `made[-1]`: threads call this at once

    yield call
    for process in made:
        process.kill()
        process.wait(10)
