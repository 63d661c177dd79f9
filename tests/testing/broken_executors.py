"""A deliberately broken executor for every check of executors: by the check's id, what makes it.

All are changes of the sound one in `plugins/processes.py`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

from pydantic import Field

from tunebook.attempts import Attempt, Ended
from tunebook.host import PluginHost
from tunebook.specs import ExecutorPlugin
from tunebook.testing import Candidate, find_candidates

FILES = Path(__file__).parent / "plugins"


def _module() -> ModuleType:
    """Returns the sound executor's module, under a name that factories can say."""
    name = "sound_processes"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FILES / "processes.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


sound = _module()


def descriptor(**changes: Any) -> ExecutorPlugin:
    made = ExecutorPlugin("processes", "Here.", sound.ProcessesConfig, "sound_processes:Processes")
    return replace(made, **changes)


def candidate(factory: type | None = None, **changes: Any) -> Candidate:
    """Returns the sound executor with changes."""
    if factory is not None:
        changes["factory"] = f"{__name__}:{factory.__name__}"
    host = PluginHost(discover=False)
    host.add(descriptor(**changes))
    return Candidate(host, "executor", host.get("executor", "processes"))


def but(factory: type, **changes: Any) -> Callable[[], Candidate]:
    return lambda: candidate(factory, **changes)


def in_file(name: str) -> Callable[[], Candidate]:
    return lambda: find_candidates(PluginHost(files=[FILES / f"{name}.py"]), name)[0]


class Gloomy(sound.Processes):
    def ended(self, key: str, said: str) -> Ended:
        end = super().ended(key, said)
        return replace(end, status=end.status or 1) if end.kind == "exited" else end


class Rosy(sound.Processes):
    def ended(self, key: str, said: str) -> Ended:
        return super().ended(key, "0" if said == "1\n" else said)


class Mistaken(sound.Processes):
    """Takes every death for the loss of a machine."""

    def ended(self, key: str, said: str) -> Ended:
        end = super().ended(key, said)
        killed = end.kind == "exited" and (end.status or 0) < 0
        return replace(end, kind="lost", status=None) if killed else end


class Spent(sound.Processes):
    """Lets what ran out of memory spoil the next one."""

    spoilt = False

    def job(self, attempt: Attempt) -> dict[str, Any]:
        job = super().job(attempt)
        if self.spoilt:
            job["command"] = ["-c", "raise MemoryError"]
        self.spoilt = "RLIMIT_AS" in attempt.command[1]
        return job


class Forgotten(sound.Processes):
    def running(self) -> list[str]:
        return []


class Hoarding(sound.Processes):
    """Remembers what has ended under its key."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.told: dict[str, Ended] = {}

    def ended(self, key: str, said: str) -> Ended:
        return self.told.setdefault(key, super().ended(key, said))


class Waiting(sound.Processes):
    def begin(self) -> None:
        super().begin()
        for keeper in self.keepers.values():
            keeper.wait()


class Rude(sound.Processes):
    def stop(self, key: str, *, kill: bool = False) -> None:  # noqa: ARG002
        super().stop(key, kill=True)


class Denying(sound.Processes):
    def ended(self, key: str, said: str) -> Ended:
        end = super().ended(key, said)
        return replace(end, kind="exited") if end.status == -9 else end


class Unseeing(sound.Processes):
    """Doesn't know who belongs to whom."""

    def look(self) -> None:
        pass


class Shallow(Unseeing):
    """Kills the command and nobody else."""

    keeper = sound.KEEPER.replace(
        'if line == "kill\\n": end_all()', 'if line == "kill\\n": process.kill(); os._exit(0)'
    )


class Careless(Unseeing):
    """Leaves what a command has left."""

    keeper = sound.KEEPER.replace("status = process.wait()\nend_all()", "status = process.wait()")


class Leaving(sound.Processes):
    keeper = sound.KEEPER.replace("    end_all()\n    os._exit(1)", "    os._exit(1)")


class Listening(sound.Processes):
    """Keeps all that is printed, or as much."""

    def start(self, attempt: Attempt) -> None:
        self.kept = [os.urandom(1 << 20) for _ in range(40)]
        super().start(attempt)


class Bare(sound.Processes):
    def job(self, attempt: Attempt) -> dict[str, Any]:
        return super().job(replace(attempt, environment={}))


class Threadless(sound.Processes):
    variables = ()


class Elsewhere(sound.Processes):
    keeper = sound.KEEPER.replace("env=job", 'cwd="/", env=job')


class Lossy(sound.Processes):
    """Does not bring empty files back."""

    folders: dict[str, Path]

    def start(self, attempt: Attempt) -> None:
        self.folders = {**getattr(self, "folders", {}), attempt.key: attempt.folder}
        super().start(attempt)

    def ended(self, key: str, said: str) -> Ended:
        (self.folders[key] / "empty").unlink(missing_ok=True)
        return super().ended(key, said)


class Formatting(sound.Processes):
    def job(self, attempt: Attempt) -> dict[str, Any]:
        job = super().job(attempt)
        head, rest = job["command"][:2], job["command"][2:]
        return job | {"command": [*head, *(part.replace("{}", "") for part in rest)]}


class Serial(sound.Processes):
    @property
    def slots(self) -> int:
        return 2 if sys._getframe(1).f_code.co_name != "begin" else 1


class Eager(sound.Processes):
    @property
    def slots(self) -> int:
        return 2 if sys._getframe(1).f_code.co_name != "begin" else 99


class Sharing(sound.Processes):
    """Keeps the keepers of all executors in one place."""

    everyone: ClassVar[list[Any]] = []

    def begin(self) -> None:
        super().begin()
        self.everyone.extend(self.keepers.values())

    def close(self) -> None:
        self.keepers = dict(enumerate({*self.everyone}))
        super().close()


class AddressConfig(sound.ProcessesConfig):
    kind: Literal["processes"] = "processes"
    address: str | None = Field(None, description="Never looked at.")


class Blind(sound.Processes):
    pass


BROKEN: dict[str, Callable[[], Candidate]] = {
    "executor/success-is-told": but(Gloomy),
    "executor/an-exception-is-told": but(Rosy),
    "executor/a-killed-process-is-told": but(Mistaken),
    "executor/want-of-memory-is-one-end-of-many": but(Spent),
    "executor/each-end-is-told-once": but(Forgotten),
    "executor/a-key-can-be-used-again": but(Hoarding),
    "executor/nothing-waits-but-the-one-who-asks": but(Waiting),
    "executor/a-polite-stop-lets-it-write": but(Rude),
    "executor/what-is-deaf-can-be-killed": but(Denying),
    "executor/killing-takes-the-family-along": but(Shallow),
    "executor/what-ends-leaves-no-orphans": but(Careless),
    "executor/closing-leaves-nothing": but(Leaving),
    "executor/a-killed-owner-leaves-nothing": in_file("abandoning"),
    "executor/a-million-lines-block-nothing": but(Listening),
    "executor/environment-reaches-the-command": but(Bare),
    "executor/threads-reach-the-command": but(Threadless),
    "executor/relative-paths-mean-the-same": but(Elsewhere),
    "executor/files-are-there-when-it-has-ended": but(Lossy),
    "executor/names-may-hold-any-sign": but(Formatting),
    "executor/slots-run-at-once": but(Serial),
    "executor/more-than-slots-wait": but(Eager),
    "executor/executors-do-not-disturb-one-another": but(Sharing),
    "executor/a-killed-worker-is-survived": but(Unseeing),
    "executor/an-unreachable-place-is-told": but(Blind, config=AddressConfig),
}
