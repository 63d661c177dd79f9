"""The processes below one: found the cheap way and the thorough one, servers of kernels aside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tunebook import descendants as module
from tunebook.descendants import KERNEL_SERVER, descendants

SLEEPS = "import time; time.sleep(60)"
FAMILY = f"""
import subprocess, sys, threading, time
sleeper = [sys.executable, "-c", {SLEEPS!r}]
subprocess.Popen(sleeper)
# a child of another thread stands in that thread's list
threading.Thread(target=lambda: (subprocess.Popen(sleeper), time.sleep(60)), daemon=True).start()
nested = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", nested])
subprocess.Popen([sys.executable, "-c", nested, {KERNEL_SERVER!r}])
time.sleep(60)
"""
OTHERS = 4
"""Below the family's head, without what the server has below it: two sleepers, a child and its
child."""


@pytest.fixture(scope="module")
def head() -> Iterator[psutil.Process]:
    started = subprocess.Popen([sys.executable, "-c", FAMILY])
    process = psutil.Process(started.pid)
    until = time.monotonic() + 30
    while len(process.children(recursive=True)) < OTHERS + 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    yield process
    for each in [*process.children(recursive=True), process]:
        each.kill()
    started.wait()


@pytest.mark.parametrize("thorough", [False, True])
def test_all_are_found_but_a_server_of_kernels_and_its_own(
    head: psutil.Process, thorough: bool
) -> None:
    found = [*descendants(head, thorough=thorough)]
    assert len(found) == len({*found}) == OTHERS
    assert not any(KERNEL_SERVER in each.cmdline() for each in found)
    assert all(head in each.parents() for each in found)


def test_a_system_without_lists_of_children_is_asked_for_its_table(
    head: psutil.Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "PROC", tmp_path)
    assert len([*descendants(head)]) == OTHERS


def test_a_process_that_has_ended_has_none() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(gone.pid)
    gone.wait()
    assert [*descendants(process)] == [*descendants(process, thorough=True)] == []
