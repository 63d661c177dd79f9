"""Attempts as processes of this machine, each below a guard and in a session of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tunebook.attempts import Attempt, Ended
from tunebook.errors import MachineError, Problem
from tunebook.notebooks.supervision import ProcessTree
from tunebook_plugins.executors import guard
from tunebook_plugins.executors.local.plugin import LocalConfig

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
        self._waiting: deque[Attempt] = deque()
        self._guarded: dict[str, Guarded] = {}
        self._ended: list[Ended] = []

    @property
    def slots(self) -> int:
        return self._shares.workers

    @property
    def threads(self) -> int:
        return self._shares.threads

    def start(self, attempt: Attempt) -> None:
        self._waiting.append(attempt)
        self._fill()

    def running(self) -> Collection[str]:
        told_soon = [each.key for each in self._ended]
        return [*self._guarded, *(attempt.key for attempt in self._waiting), *told_soon]

    def poll(self) -> Sequence[Ended]:
        for key, guarded in [*self._guarded.items()]:
            end = guarded.end()
            if end is not None:
                del self._guarded[key]
                self._ended.append(end)
        self._fill()
        ended, self._ended = self._ended, []
        return ended

    def stop(self, key: str, *, kill: bool = False) -> None:
        if key in self._guarded:
            self._guarded[key].order("kill" if kill else "stop")
        for attempt in [*self._waiting]:
            if attempt.key == key:
                self._waiting.remove(attempt)
                self._ended.append(Ended(key, "stopped", None, "it had not begun"))

    def close(self) -> None:
        self._waiting.clear()
        for guarded in self._guarded.values():
            guarded.close()
        self._guarded.clear()
        self._ended.clear()

    def _fill(self) -> None:
        while self._waiting and len(self._guarded) < self.slots:
            attempt = self._waiting.popleft()
            self._guarded[attempt.key] = Guarded(attempt)


class Guarded:
    """An attempt under way: a guard, which ends with this process, and the command below it."""

    def __init__(self, attempt: Attempt) -> None:
        self._key = attempt.key
        self._asked = False
        job = {
            "command": [sys.executable, *attempt.command],
            "cwd": str(Path.cwd()),
            "environment": _environment(attempt),
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", guard.__file__],
                env=job["environment"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # a Ctrl-C in the terminal is for the batch, which asks each run to stop
                start_new_session=True,
            )
        except OSError as error:
            raise MachineError(_cannot_start(attempt, error)) from error
        self._tree = ProcessTree(self._process)
        self._say(json.dumps(job))

    def order(self, word: str) -> None:
        """Has the guard `stop` or `kill` the command."""
        self._asked = True
        self._say(word)

    def end(self) -> Ended | None:
        """Returns how the command has ended, None while it runs."""
        self._tree.look()
        if not self._tree.ended():
            return None
        self._tree.kill()  # where the guard was killed itself, nobody else does it
        assert self._process.stdout is not None
        answer = self._process.stdout.read()
        self._close_pipes()
        try:
            told = json.loads(answer)
        except ValueError:
            kind = "stopped" if self._asked else "lost"
            return Ended(self._key, kind, None, "its guard was killed")
        words = str(told["said"]).strip().splitlines()
        kind = "stopped" if self._asked else "exited"
        return Ended(self._key, kind, told["status"], words[-1] if words else "")

    def close(self) -> None:
        """Ends it at once."""
        self._tree.kill()
        self._close_pipes()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended, which `end` will tell
            self._process.stdin.write(line.encode("utf-8", "surrogateescape") + b"\n")
            self._process.stdin.flush()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _environment(attempt: Attempt) -> dict[str, str]:
    threads = dict.fromkeys(guard.THREADS, str(attempt.threads))
    return {**os.environ, **threads, **attempt.environment}


def _cannot_start(attempt: Attempt, error: OSError) -> Problem:
    fix = "free some memory, disk or processes, then go on with `tunebook resume`"
    found = error.strerror or str(error)
    return Problem("executor.start", str(attempt.folder), "a process that starts", found, fix)
