"""Signs of life: a file that the living count up in, and an observer who has a clock of its own.

No time is written, since clocks jump and differ between machines. Whoever watches sees that the
number has changed, and counts the seconds since then himself.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

EVERY_SECONDS = 1.0
WIDTH = 300
"""Bytes of the file, always the same, so that a full disk has no say."""
SHORT_OF_MEMORY_MB = 300


@dataclass(frozen=True)
class Beat:
    """The last sign of life.

    Attributes:
        count: Grows while the process lives.
        pid: Its process id on `machine`.
        created: When the system started that process, which tells it from a later one of its id.
        machine: What tells machines apart without naming them.
        oom_kills: How often the machine has killed a process for want of memory since it booted.
        free_mb: Memory that was available.
    """

    count: int
    pid: int
    created: float
    machine: str
    oom_kills: int
    free_mb: int

    @property
    def here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.machine == this_machine()

    def alive(self) -> bool:
        """Whether that very process lives; only sensible when it is `here`."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1.0
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


class Heart:
    """Writes signs of life from a thread.

    Args:
        path: The file.
        each: Called with every beat.
    """

    def __init__(self, path: Path, each: Callable[[], object] = lambda: None) -> None:
        import psutil

        self._path = path
        self._each = each
        self._end = threading.Event()
        self._count = 0
        self._created = psutil.Process().create_time()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heart:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            self._write()
            self._each()

    def _write(self) -> None:
        import psutil

        self._count += 1
        free = psutil.virtual_memory().available // 2**20
        own = (os.getpid(), self._created, this_machine())
        beat = Beat(self._count, *own, oom_kills(), free)
        text = json.dumps(asdict(beat)).ljust(WIDTH)
        with suppress(OSError):  # whoever watches notices soon enough
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(file, text.encode(), 0)
            finally:
                os.close(file)


class Pulse:
    """Watches one heartbeat file with this process's own clock."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._last: Beat | None = None
        self._since = clock()

    def silence(self) -> float:
        """Returns the seconds since the count was last seen to change."""
        beat = read_beat(self._path)
        if beat is not None and beat != self._last:
            self._last, self._since = beat, self._clock()
        return self._clock() - self._since


def read_beat(path: Path) -> Beat | None:
    """Returns the last sign of life, None when there is none that can be read."""
    try:
        return Beat(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def this_machine() -> str:
    """Returns what tells this machine from others, without its name."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]


def oom_kills() -> int:
    """Returns how many processes this machine has killed for want of memory since it booted."""
    with suppress(OSError, ValueError), Path("/proc/vmstat").open() as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def died_of_memory(beat: Beat | None) -> str:
    """Returns why a process that was killed probably died of want of memory; empty if not so."""
    if beat is None:
        return ""
    if beat.here and oom_kills() > beat.oom_kills:
        return "the system killed a process for want of memory while it ran"
    if beat.free_mb < SHORT_OF_MEMORY_MB:
        return f"only {beat.free_mb} MB of memory were free just before"
    return ""
