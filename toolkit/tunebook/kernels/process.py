"""A kernel that is a child of its server, not of the process that uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tunebook.kernels.wire import Garbage, Gone, Inbox
from tunebook.writing import write_atomically

UNKNOWN_STATUS = 1
"""Exit status of a kernel whose server has ended before it."""
REPORT_SECONDS = 1.0
"""How long the server's word on an ended kernel may take."""


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be mistaken for a later one of the same number."""

    pid: int
    ticks: int
    """When it started, in the system's own count: clocks jump."""

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Raises OSError where there is no such process."""
        return cls(pid, int(_stat(pid)[19]))

    def is_alive(self) -> bool:
        """Returns whether it still runs; a zombie doesn't."""
        try:
            fields = _stat(self.pid)
        except OSError:
            return False
        return int(fields[19]) == self.ticks and fields[0] not in "ZX"

    def write(self, path: Path) -> None:
        write_atomically(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> ProcessId | None:
        """Returns what `write` has left, None before."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def _stat(pid: int) -> list[str]:
    """Returns the fields after the name, which may hold spaces itself; see proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


class WarmProcess:
    """What `subprocess.Popen` is for a child, as far as Jupyter's local provisioner uses it.

    The connection is the kernel's lifeline: when this side closes it, by dying too, the kernel
    ends. The server tells the exit status over it.
    """

    stdin = stdout = stderr = None

    def __init__(self, inbox: Inbox, identity: ProcessId) -> None:
        self.pid = identity.pid
        self.identity = identity
        self.returncode: int | None = None
        self._inbox = inbox

    def release(self) -> None:
        """Lets the kernel start; until then it has run nothing."""
        self._inbox.connection.sendall(b"go\n")

    def poll(self) -> int | None:
        """Returns the exit status, negative for a signal, None while it runs."""
        if self.returncode is None:
            self._hear(0.0)
        if self.returncode is None and not self.identity.is_alive():
            self._hear(REPORT_SECONDS)
            if self.returncode is None:
                self._end(UNKNOWN_STATUS)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end.

        Raises:
            TimeoutError: It still runs.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise TimeoutError
            time.sleep(0.02)
        return status

    def send_signal(self, number: int) -> None:
        """Signals the kernel, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _hear(self, seconds: float) -> None:
        connection = self._inbox.connection
        try:
            connection.settimeout(seconds)
            while (message := self._inbox.read()) is None:
                pass
            self._end(int(message["ended"]))
        except (BlockingIOError, TimeoutError, OSError, Gone, Garbage, KeyError):
            return

    def _end(self, status: int) -> None:
        self.returncode = status
        self._inbox.connection.close()


def lifeline(connection: socket.socket) -> None:
    """Ends this kernel, and what it has started, once its client is gone."""
    connection.setblocking(True)
    try:
        while connection.recv(64):
            pass
    finally:
        os.killpg(0, signal.SIGKILL)
