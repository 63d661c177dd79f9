"""Attempts as processes of this machine, each in a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tunebook.attempts import Attempt, Ended
from tunebook.errors import MachineError, Problem
from tunebook.notebooks.supervision import ProcessTree
from tunebook_plugins.executors.local.plugin import LocalConfig

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""Variables by which numeric libraries and tokenizers are told how many threads to use."""
LOG = "attempt.log"
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Shares:
    """How many runs there are at once, and how many threads each has."""

    workers: int
    threads: int


def share_out(config: LocalConfig) -> Shares:
    """Returns what the config comes to on this machine as it is now."""
    cores = available_cores()
    workers = config.workers
    if workers is None:
        fitting = int(free_memory_gb() / config.memory_gb)
        workers = max(1, min(cores // (config.threads or 1), fitting))
    return Shares(workers, config.threads or max(1, cores // workers))


def available_cores() -> int:
    """Returns the cores that this process may use, as its affinity and its container say."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def free_memory_gb() -> float:
    """Returns the memory that is free, on the machine and in the container."""
    free = float(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        most = int((CGROUP / "memory.max").read_text())
        free = min(free, most - int((CGROUP / "memory.current").read_text()))
    return max(free, 0.0) / 2**30


class LocalExecutor:
    """Keeps to `tunebook.attempts.Executor`."""

    def __init__(self, config: LocalConfig) -> None:
        self._shares = share_out(config)
        self._trees: dict[str, ProcessTree] = {}
        self._stopped: set[str] = set()

    @property
    def slots(self) -> int:
        return self._shares.workers

    @property
    def threads(self) -> int:
        return self._shares.threads

    def start(self, attempt: Attempt) -> None:
        try:
            with (attempt.folder / LOG).open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, *attempt.command],
                    env=_environment(attempt),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # a Ctrl-C in the terminal is for the batch, which asks each run to stop
                    start_new_session=True,
                )
        except OSError as error:
            raise MachineError(_cannot_start(attempt, error)) from error
        self._trees[attempt.key] = ProcessTree(process)

    def running(self) -> Collection[str]:
        return tuple(self._trees)

    def poll(self) -> Sequence[Ended]:
        ended = []
        for key, tree in [*self._trees.items()]:
            tree.look()
            if tree.ended():
                tree.kill()  # whatever it has left behind
                del self._trees[key]
                ended.append(_ended(key, tree.root.returncode, key in self._stopped))
                self._stopped.discard(key)
        return ended

    def stop(self, key: str, *, kill: bool = False) -> None:
        tree = self._trees.get(key)
        if tree is None:
            return
        self._stopped.add(key)
        if kill:
            tree.kill()
        else:
            with suppress(ProcessLookupError):
                tree.root.send_signal(signal.SIGINT)

    def close(self) -> None:
        for tree in self._trees.values():
            tree.kill()
        self._trees.clear()
        self._stopped.clear()


def _environment(attempt: Attempt) -> dict[str, str]:
    threads = dict.fromkeys(THREADS, str(attempt.threads))
    return {**os.environ, **threads, **attempt.environment}


def _ended(key: str, status: int, stopped: bool) -> Ended:
    if status < 0:
        with suppress(ValueError):
            detail = f"killed by {signal.Signals(-status).name}"
            return Ended(key, "stopped" if stopped else "exited", status, detail)
    return Ended(key, "stopped" if stopped else "exited", status)


def _cannot_start(attempt: Attempt, error: OSError) -> Problem:
    fix = "free some memory, disk or processes, then go on with `tunebook resume`"
    found = error.strerror or str(error)
    return Problem("executor.start", str(attempt.folder), "a process that starts", found, fix)
