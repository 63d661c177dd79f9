"""One attempt at a run, and what an executor promises who carries attempts out.

An executor places commands and says how they ended. It decides nothing about a run: whether that
succeeded is in its record, and whether it is tried again is the batch's business.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable


@dataclass(frozen=True)
class Attempt:
    """A command that carries out one run, on any machine with the same environment.

    Attributes:
        key: Unique within the batch.
        command: Arguments after the Python interpreter, such as ``("-m", "tunebook.batch", …)``.
        folder: The run's directory. Whatever machine runs the command, the files that it writes
            there must lie there when the attempt has ended.
        environment: Variables on top of those of the machine.
        threads: CPU threads that it may use.
    """

    key: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Attributes:
        kind: `exited` by itself or by a signal, `lost` with the machine or the scheduler that it
            was on, `stopped` on request.
        status: Exit status, the negative number of a signal, None where nobody knows.
        detail: Last words, for people.
    """

    key: str
    kind: Literal["exited", "lost", "stopped"]
    status: int | None = None
    detail: str = ""


@runtime_checkable
class Executor(Protocol):
    """Carries out attempts. Built from its config; used from one thread.

    Raises `MachineError` where the place that it runs things on cannot be reached, never a bare
    exception.
    """

    @property
    def slots(self) -> int:
        """How many attempts may run at once now; may change while a batch runs."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads that one attempt should use, so that no core is wanted twice."""
        ...

    def start(self, attempt: Attempt) -> None:
        """Starts an attempt and returns at once."""
        ...

    def running(self) -> Collection[str]:
        """Returns the keys of what was started and has not been told as ended."""
        ...

    def poll(self) -> Sequence[Ended]:
        """Returns what has ended since the last call; doesn't wait."""
        ...

    def stop(self, key: str, *, kill: bool = False) -> None:
        """Asks an attempt to end (SIGINT, so that it writes its record), or ends it at once."""
        ...

    def close(self) -> None:
        """Ends what still runs, orphans included, and gives everything back."""
        ...
