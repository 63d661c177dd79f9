"""A small executor that keeps its contract: a keeper process beside each command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, Literal

import psutil
from pydantic import Field

from tunebook.attempts import Attempt, Ended
from tunebook.config import PluginConfig
from tunebook.specs import ExecutorPlugin, hookimpl

KEEPER = r"""
import ctypes, json, os, psutil, signal, subprocess, sys, threading
ctypes.CDLL(None).prctl(36, 1)  # orphans become children of this process
job = json.loads(sys.argv[1])
process = subprocess.Popen(
    [sys.executable, *job["command"]], env=job["environment"], stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
def end_all():
    while left := [p for p in psutil.Process().children(recursive=True) if p.status() != "zombie"]:
        for each in left:
            try: each.kill()
            except psutil.Error: pass
def obey():
    for line in sys.stdin:
        if line == "stop\n": process.send_signal(signal.SIGINT)
        if line == "kill\n": end_all()
    end_all()
    os._exit(1)
threading.Thread(target=obey, daemon=True).start()
status = process.wait()
end_all()
print(status, flush=True)
os._exit(0)
"""


class ProcessesConfig(PluginConfig):
    kind: Literal["processes"] = "processes"
    workers: int = Field(2, ge=1, le=64, description="Commands at once.")


class Processes:
    """Carries attempts out here; what has no slot yet waits in a list."""

    variables = ("OMP_NUM_THREADS",)
    keeper = KEEPER

    def __init__(self, config: Any) -> None:
        self.config = config
        self.waiting: list[Attempt] = []
        self.keepers: dict[str, Any] = {}
        self.stopped: set[str] = set()
        self.families: dict[str, set[psutil.Process]] = {}

    @property
    def slots(self) -> int:
        return self.config.workers

    @property
    def threads(self) -> int:
        return max(1, (os.cpu_count() or 1) // self.slots)

    def start(self, attempt: Attempt) -> None:
        self.waiting.append(attempt)
        self.begin()

    def begin(self) -> None:
        while self.waiting and len(self.keepers) < self.slots:
            attempt = self.waiting.pop(0)
            self.keepers[attempt.key] = subprocess.Popen(
                [sys.executable, "-c", self.keeper, json.dumps(self.job(attempt))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def job(self, attempt: Attempt) -> dict[str, Any]:
        threads = dict.fromkeys(self.variables, str(attempt.threads))
        environment = {**os.environ, **threads, **attempt.environment}
        return {"command": [*attempt.command], "environment": environment}

    def running(self) -> list[str]:
        return [*self.keepers, *(attempt.key for attempt in self.waiting)]

    def look(self) -> None:
        """Remembers who belongs to whom, for when a keeper is killed."""
        for key, keeper in self.keepers.items():
            with suppress(psutil.Error):
                children = psutil.Process(keeper.pid).children(recursive=True)
                self.families.setdefault(key, set()).update(children)

    def poll(self) -> list[Ended]:
        self.look()
        over = [key for key, keeper in self.keepers.items() if keeper.poll() is not None]
        ended = [self.ended(key, self.keepers.pop(key).communicate()[0]) for key in over]
        self.begin()
        return ended

    def ended(self, key: str, said: str) -> Ended:
        stopped = key in self.stopped
        self.stopped.discard(key)
        for process in self.families.pop(key, ()):
            with suppress(psutil.Error):
                process.kill()
        if not said:
            return Ended(key, "stopped" if stopped else "lost")
        return Ended(key, "stopped" if stopped else "exited", int(said))

    def stop(self, key: str, *, kill: bool = False) -> None:
        keeper = self.keepers.get(key)
        if keeper is not None:
            self.stopped.add(key)
            with suppress(OSError):
                keeper.stdin.write("kill\n" if kill else "stop\n")
                keeper.stdin.flush()

    def close(self) -> None:
        self.waiting.clear()
        for keeper in self.keepers.values():
            with suppress(OSError):
                keeper.stdin.close()
        while any(keeper.poll() is None for keeper in self.keepers.values()):
            time.sleep(0.01)
        self.keepers.clear()


@hookimpl
def tunebook_executors() -> Any:
    yield ExecutorPlugin("processes", "Here.", ProcessesConfig, f"{__name__}:Processes")
