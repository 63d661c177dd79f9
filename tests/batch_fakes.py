"""An executor in memory, for tests of the scheduler: attempts end as a script says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tunebook.attempts import Attempt, Ended
from tunebook.batch.entry import Entry
from tunebook.batch.heartbeat import Beat
from tunebook.batch.job import CONCLUSION, HEARTBEAT, Conclusion
from tunebook.errors import ConfigError, MachineError, Problem, StoppedError, TrainingError
from tunebook.records import RunDirectory, RunRecord

MISTAKE = ConfigError(Problem("config.odd", "odd", "even", "odd", "make it even"))
DIED = TrainingError(Problem("run.kernel_died", "notebook", "a kernel", "it died", "again"))
STOPPED = StoppedError(Problem("run.stopped", "run", "to run", "stopped", "again"))


class FakeClock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeAttempt:
    attempt: Attempt
    behaviour: str
    polls: int = 0
    asked: bool = False
    killed: bool = False


@dataclass
class FakeExecutor:
    """Keeps to the contract; `script` says by key how each of its attempts ends, then `ok`."""

    script: Mapping[str, Sequence[str]] = field(default_factory=dict)
    places: int = 2
    takes: int = 3
    started: list[str] = field(default_factory=list)
    most: int = 0
    gone: bool = False
    on_poll: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self._now: dict[str, FakeAttempt] = {}
        self._beats = 0

    @property
    def slots(self) -> int:
        return self.places

    @property
    def threads(self) -> int:
        return 1

    def start(self, attempt: Attempt) -> None:
        self._demand_there()
        assert attempt.key not in self._now
        number = self.started.count(attempt.key)
        behaviours = [*self.script.get(attempt.key, ())]
        behaviour = behaviours[number] if number < len(behaviours) else "ok"
        self.started.append(attempt.key)
        self._now[attempt.key] = FakeAttempt(attempt, behaviour)
        self.most = max(self.most, len(self._now))

    def running(self) -> Collection[str]:
        return [*self._now]

    def poll(self) -> Sequence[Ended]:
        self._demand_there()
        self.on_poll()
        self._beats += 1
        ended = [e for each in [*self._now.values()] if (e := self._step(each)) is not None]
        for each in ended:
            del self._now[each.key]
        return ended

    def stop(self, key: str, *, kill: bool = False) -> None:
        if key in self._now:
            self._now[key].asked = True
            self._now[key].killed |= kill

    def close(self) -> None:
        self._now.clear()

    def _demand_there(self) -> None:
        if self.gone:
            found = "the cluster has vanished"
            raise MachineError(Problem("executor.gone", "cluster", "a cluster", found, "mend it"))

    def _step(self, each: FakeAttempt) -> Ended | None:
        each.polls += 1
        key, folder = each.attempt.key, each.attempt.folder
        if each.behaviour != "silent":
            beat(folder, self._beats)
        if each.killed and each.behaviour != "undead":
            return Ended(key, "stopped", -9)
        if each.asked and each.behaviour not in ("stubborn", "silent", "undead"):
            conclude(folder, "stopped", STOPPED)
            return Ended(key, "stopped", 5)
        if each.polls < self.takes or each.behaviour in ("hangs", "stubborn", "silent", "undead"):
            return None
        return ENDS[each.behaviour](key, folder)


def _ok(key: str, folder: Path) -> Ended:
    conclude(folder, "succeeded", None)
    return Ended(key, "exited", 0)


def _mistake(key: str, folder: Path) -> Ended:
    conclude(folder, "failed", MISTAKE)
    return Ended(key, "exited", 2)


def _kernel_died(key: str, folder: Path) -> Ended:
    conclude(folder, "failed", DIED)
    return Ended(key, "exited", 4)


def _killed(key: str, folder: Path) -> Ended:
    return Ended(key, "exited", -9)


def _lost(key: str, folder: Path) -> Ended:
    return Ended(key, "lost", None, "its machine has gone")


def _almost(key: str, folder: Path) -> Ended:
    record(folder, "succeeded")  # but the notebook had cells to go
    return Ended(key, "exited", -9)


ENDS: Mapping[str, Callable[[str, Path], Ended]] = {
    "ok": _ok,
    "mistake": _mistake,
    "kernel_died": _kernel_died,
    "killed": _killed,
    "lost": _lost,
    "almost": _almost,
}


@dataclass
class FakePreparer:
    """Makes a run directory for each attempt, without a command."""

    folder: Path

    def __call__(self, entry: Entry, threads: int) -> tuple[RunDirectory, Attempt]:
        run = RunDirectory.create(self.folder, "runs", entry.key)
        return run, Attempt(entry.key, (), run.path, {}, threads)


def record(folder: Path, status: str, error: dict | None = None) -> None:
    run = RunDirectory(folder)
    content = RunRecord(run_id=run.run_id, case="c", strategy="full", seed=0, started=time.time())
    content = content.updated(status=status, error=error, finished=time.time())
    run.record_file.write_text(content.model_dump_json())  # without waiting for the disk


def conclude(folder: Path, status: str, error: Exception | None) -> None:
    told = error.to_dict() if error else None  # type: ignore[attr-defined]
    record(folder, status, told)
    code = int(error.exit_code) if error else 0  # type: ignore[attr-defined]
    (folder / CONCLUSION).write_text(json.dumps(asdict(Conclusion(code, told))))


def beat(folder: Path, count: int) -> None:
    content = asdict(Beat(count, 1, 0.0, "elsewhere", 0, 8000))
    (folder / HEARTBEAT).write_text(json.dumps(content))
