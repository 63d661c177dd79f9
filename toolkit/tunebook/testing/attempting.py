"""Carries out real commands on an executor that is being checked, and waits for their ends."""

from __future__ import annotations

import json
import secrets
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunebook.attempts import Attempt, Ended, Executor
from tunebook.config import PluginConfig
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, demand

PATIENCE = 60.0
"""Seconds after which something that takes milliseconds is said to hang."""

LOOK_SECONDS = 0.01

MARK = """
import json, os, sys, time
folder, marks = sys.argv[1:3]
def mark(name, content=None):
    path = os.path.join(marks, name)
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(path + ".part", path)
"""
"""What every command begins with: it can leave marks, whole or not at all."""

FAMILY = """
import subprocess
nested = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); "
inner = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
child = subprocess.Popen(
    [sys.executable, "-c", nested + "time.sleep(600)", inner],
    stdout=subprocess.PIPE, text=True, start_new_session=True,
)
mark("family", [os.getpid(), child.pid, int(child.stdout.readline())])
time.sleep(600)
"""
"""A command with a child in a session of its own, and a grandchild."""


@dataclass
class Trial:
    """Commands on one executor.

    Attributes:
        executor: What carries them out.
        place: Folder for the folders and marks of the commands.
        ended: How those that have ended did, by key.
    """

    executor: Executor
    place: Path
    ended: dict[str, Ended] = field(default_factory=dict)

    def start(
        self,
        script: str,
        *,
        key: str | None = None,
        folder: str = "run",
        environment: Mapping[str, str] | None = None,
        threads: int = 1,
        arguments: tuple[str, ...] = (),
    ) -> Attempt:
        """Starts a script, which finds its folder in `folder` and leaves marks by `mark`."""
        key = key or secrets.token_hex(4)
        home = self.place / key / folder
        home.mkdir(parents=True, exist_ok=True)
        (self.place / key / "marks").mkdir(exist_ok=True)
        command = ("-c", MARK + script, str(home), str(self.place / key / "marks"), *arguments)
        attempt = Attempt(key, command, home, environment or {}, threads)
        self.executor.start(attempt)
        return attempt

    def end_of(self, attempt: Attempt) -> Ended:
        """Waits until an attempt has ended."""
        return self.wait(lambda: self.ended.get(attempt.key), f"the end of {attempt.key}")

    def run(self, script: str, **options: Any) -> tuple[Attempt, Ended]:
        """Starts a script and waits for its end."""
        attempt = self.start(script, **options)
        return attempt, self.end_of(attempt)

    def mark(self, attempt: Attempt, name: str) -> Any:
        """Waits for a mark of a command and returns what it says."""
        path = self.place / attempt.key / "marks" / name

        def look() -> Any:
            early = self.ended.get(attempt.key)
            if path.exists():
                return (json.loads(path.read_text(encoding="utf-8")),)
            if early is not None:
                raise CheckFailed(f"it ended as {early} instead", "carry the command out")
            return None

        return self.wait(look, f"the mark `{name}` of the command")[0]

    def wait(self, look: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Polls until `look` finds something."""
        until = time.monotonic() + patience
        while not (found := look()):
            self.poll()
            if time.monotonic() > until:
                raise CheckFailed(f"{patience:.0f} s without {what}", "see why it hangs")
            time.sleep(LOOK_SECONDS)
        return found

    def poll(self) -> None:
        """Takes note of what has ended, and of what is told twice."""
        for end in self.executor.poll():
            demand(end.key not in self.ended, f"{end} is told twice", "tell each end once")
            self.ended[end.key] = end

    def clear(self) -> None:
        """Ends what a check has left running."""
        until = time.monotonic() + PATIENCE
        while left := [*self.executor.running()]:
            for key in left:
                self.executor.stop(key, kill=True)
            self.poll()
            if time.monotonic() > until:
                raise CheckFailed(f"{left} cannot be killed", "see why it hangs")
            time.sleep(LOOK_SECONDS)


def small_config(candidate: Candidate) -> PluginConfig:
    """Returns its config, of two workers where it can say so and nothing else is set."""
    two = {"workers": 2} if "workers" in candidate.descriptor.config.model_fields else {}
    return candidate.config(**{**two, **candidate.settings})


def small(candidate: Candidate) -> Executor:
    """Returns a new executor of a few slots."""
    made: Executor = candidate.host.create("executor", small_config(candidate))
    return made


@contextmanager
def on_executor(candidate: Candidate, *, own: bool = False) -> Iterator[Trial]:
    """Gives the executor that the checks of a candidate share, or one that is closed afterwards."""
    executor = small(candidate) if own else candidate.once("executor", lambda: _kept(candidate))
    place = candidate.scratch / secrets.token_hex(4)
    place.mkdir()
    trial = Trial(executor, place)
    try:
        yield trial
        if not own:
            trial.clear()
    finally:
        if own:
            executor.close()
        else:
            with suppress(Exception):  # what is wrong has been said
                trial.clear()


def _kept(candidate: Candidate) -> Executor:
    executor = small(candidate)
    weakref.finalize(candidate, _close, executor)
    return executor


def _close(executor: Executor) -> None:
    with suppress(Exception):  # a check says so, the end of a session needn't
        executor.close()


def alive(pids: list[int]) -> list[int]:
    """Returns those processes that are there and not just waiting to be reaped."""
    import psutil

    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found


def demand_gone(pids: list[int], after: str, fix: str) -> None:
    """Raises CheckFailed, and ends the processes, if they are still there after some seconds."""
    import psutil

    until = time.monotonic() + PATIENCE / 4
    while left := alive(pids):
        if time.monotonic() > until:
            for pid in left:
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(pid).kill()
            raise CheckFailed(f"{len(left)} of {len(pids)} processes live on after {after}", fix)
        time.sleep(LOOK_SECONDS)
