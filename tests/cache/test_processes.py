"""Several processes at one cache: one computes, others wait, and a dead one blocks nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tunebook.cache import contents

PROGRAM = """
import os, sys, time
from pathlib import Path
from tunebook.cache import Store

root, log, seconds, manner = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]

class Text:
    size = staticmethod(len)
    def write(self, value, folder):
        with (folder / "text").open("w") as file:
            file.write(value[: len(value) // 2])
            file.flush()
            if manner == "dies writing":
                log.touch()
                time.sleep(60)
            file.write(value[len(value) // 2 :])
    def read(self, folder, hold):
        return (folder / "text").read_text()

def compute():
    with log.open("a") as file:
        file.write("computed\\n")
    time.sleep(seconds)
    return "x" * 100_000

if manner == "limited":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
print("ready", flush=True)
sys.stdin.readline()
store, waits = Store(root, 2**30), lambda: print("waits")
kept = store.get("texts", "a text", {"of": 1}, compute, Text(), on_wait=waits)
assert kept.value == "x" * 100_000
print("reused" if kept.reused else kept.lost or "made", flush=True)
"""

pytestmark = pytest.mark.slow


def start(
    root: Path, log: Path, seconds: float = 0.3, manner: str = "well"
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(root), str(log), str(seconds), manner]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Lets processes begin together; returns the last word of each."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    words = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return words


@pytest.mark.parametrize("count", [2, 8])
def test_one_computes_and_the_others_read(tmp_path: Path, count: int) -> None:
    log = tmp_path / "log"
    words = go([start(tmp_path / "cache", log) for _ in range(count)])
    assert sorted(words) == ["made"] + ["reused"] * (count - 1)
    assert log.read_text() == "computed\n"
    assert len(contents(tmp_path / "cache")) == 1


def test_who_waits_goes_on_when_the_one_that_computes_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    doomed, waiting = (start(tmp_path / "cache", log, seconds) for seconds in (60, 0))
    begin(doomed)
    wait_for(log)
    begin(waiting)
    time.sleep(0.3)
    assert waiting.poll() is None
    doomed.kill()
    assert waiting.communicate(timeout=30)[0].splitlines() == ["waits", "made"]
    doomed.communicate()


def test_half_an_entry_of_a_killed_process_is_neither_served_nor_kept(tmp_path: Path) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    doomed = start(root, log, 0, "dies writing")
    begin(doomed)
    until(lambda: any(item.leftover and item.bytes for item in contents(root)))
    assert [item.in_use for item in contents(root)] == [True]
    doomed.send_signal(signal.SIGKILL)
    doomed.communicate()
    assert [(item.leftover, item.in_use) for item in contents(root)] == [(True, False)]
    assert go([start(root, log)]) == ["made"]
    assert [item.leftover for item in contents(root)] == [False]


def test_a_file_that_may_not_grow_costs_only_time(tmp_path: Path) -> None:
    (word,) = go([start(tmp_path / "cache", tmp_path / "log", 0, "limited")])
    assert word == "File too large"
    assert contents(tmp_path / "cache") == []


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root may mount")
def test_a_full_disk_costs_only_time(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(root)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting isn't allowed here")
    try:
        assert go([start(root, tmp_path / "log", 0)]) == ["No space left on device"]
        assert contents(root) == []
    finally:
        subprocess.run(["umount", str(root)], check=True)


def test_a_living_process_keeps_its_entry_and_a_dead_one_does_not(tmp_path: Path) -> None:
    assert go([start(tmp_path, tmp_path / "log", 0)]) == ["made"]
    (item,) = contents(tmp_path)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(item.path)], stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "holds\n"
    assert contents(tmp_path)[0].in_use
    held.kill()
    held.communicate()
    assert not contents(tmp_path)[0].in_use


HOLDS = """
import sys, time
from pathlib import Path
from tunebook.cache import Hold
hold = Hold.take(Path(sys.argv[1]))
print("holds", flush=True)
time.sleep(60)
"""


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def wait_for(path: Path) -> None:
    until(path.exists)


def until(true: object, seconds: float = 20) -> None:
    """Waits until something is true."""
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)
