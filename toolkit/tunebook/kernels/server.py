"""The process that forks kernels: one thread, one loop, nothing that a fork would have to fear."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tunebook.kernels.child import Order
from tunebook.kernels.places import Place
from tunebook.kernels.preload import Preloaded
from tunebook.kernels.wire import Garbage, Gone, Inbox, peer, send

IDLE_VARIABLE = "TUNEBOOK_KERNELS_IDLE"
"""Seconds without a kernel after which a server ends."""
DEFAULT_IDLE = 600.0
PATIENCE = 5.0
"""Seconds that a client may take to say what it wants."""
BACKLOG = 1024
OUTPUTS = 2
"""Files that come with an order: standard output and error."""


@dataclass(frozen=True)
class Forked:
    """What a fork is to become; only ever seen in the fork."""

    connection: socket.socket
    order: Order
    files: list[int]


@dataclass
class Server:
    """Answers requests and reaps its kernels until it is stopped, outdated or long idle.

    Then it retires: it gives its place up at once, and ends with the last of its kernels.
    """

    place: Place
    lock: int
    preloaded: Preloaded
    idle: float = DEFAULT_IDLE
    kernels: dict[int, socket.socket] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    forks: int = 0
    retired: bool = False
    _asking: dict[int, tuple[Inbox, float]] = field(default_factory=dict)

    def run(self) -> Forked | None:
        """Serves; returns None at the end, and in each fork what that is to become."""
        self._open()
        last_used = time.monotonic()
        while self.kernels or not self.retired:
            forked = self._turn()
            if forked:
                return forked
            now = time.monotonic()
            last_used = now if self.kernels or self._asking else last_used
            if now - last_used > self.idle:
                self.retire()
        return None

    def retire(self) -> None:
        """Makes room for another server; running kernels go on."""
        if not self.retired:
            self.retired = True
            self.poll.unregister(self.listener)
            self.listener.close()
            self.place.remove()
            os.close(self.lock)

    def _open(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.place.socket.unlink(missing_ok=True)  # of a server that was killed
        self.listener.bind(str(self.place.socket))
        self.listener.listen(BACKLOG)
        self.listener.setblocking(False)
        self.wakeup, self.waker = socket.socketpair()
        self.wakeup.setblocking(False)
        self.waker.setblocking(False)
        self.poll = select.poll()
        self.poll.register(self.listener, select.POLLIN)
        self.poll.register(self.wakeup, select.POLLIN)
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self.retire())

    def _turn(self) -> Forked | None:
        ready = dict(self.poll.poll(min(1000.0, self.idle * 250)))
        if ready.pop(self.wakeup.fileno(), 0):
            self.wakeup.recv(4096)
        self._reap()
        if not self.retired and ready.pop(self.listener.fileno(), 0):
            self._accept()
        for file in ready:
            if file in self._asking:
                forked = self._listen_to(file)
                if forked:
                    return forked
            else:
                self._hang_up(file)
        now = time.monotonic()
        for file in [file for file, (_, until) in self._asking.items() if now > until]:
            self._answer(file, {"refused": "it was not told what is wanted"})
        return None

    def _accept(self) -> None:
        with suppress(OSError):  # none is left, or there are no descriptors: another turn
            while True:
                connection, _ = self.listener.accept()
                connection.setblocking(False)
                if peer(connection)[1] != os.getuid():
                    connection.close()
                    continue
                until = time.monotonic() + PATIENCE
                self._asking[connection.fileno()] = (Inbox(connection), until)
                self.poll.register(connection, select.POLLIN)

    def _listen_to(self, file: int) -> Forked | None:
        inbox, _ = self._asking[file]
        try:
            message = inbox.read()
            if message is None:
                return None
            ((wish, content),) = message.items()
            if wish not in WISHES:
                raise Garbage(f"no wish `{wish:.20}`")
            return WISHES[wish](self, file, inbox, content)
        except BlockingIOError:
            return None
        except (Gone, OSError):
            self._answer(file, {})
        except (Garbage, ValueError, TypeError, KeyError, AttributeError) as error:
            self._answer(file, {"refused": f"it did not understand: {error}"})
        return None

    def _answer(self, file: int, message: dict[str, Any]) -> None:
        """Says something and ends a conversation."""
        inbox, _ = self._asking.pop(file)
        self.poll.unregister(file)
        with suppress(OSError):
            send(inbox.connection, message)
        inbox.close_files()
        inbox.connection.close()

    def _on_status(self, file: int, _inbox: Inbox, _content: Any) -> None:
        self._answer(
            file,
            {
                "pid": os.getpid(),
                "python": sys.executable,
                "started": self.started,
                "kernels": len(self.kernels),
                "forks": self.forks,
                "modules": len(sys.modules),
            },
        )

    def _on_stop(self, file: int, _inbox: Inbox, _content: Any) -> None:
        self.retire()
        self._answer(file, {"pid": os.getpid(), "kernels": len(self.kernels)})

    def _on_fork(self, file: int, inbox: Inbox, content: Any) -> Forked | None:
        order = Order.parse(content)
        if len(inbox.files) != OUTPUTS:
            raise ValueError(f"{len(inbox.files)} files instead of {OUTPUTS}")
        changed = self.preloaded.changed()
        if self.retired or changed:
            self.retire()
            self._answer(file, {"retry": f"{changed} has changed"})
            return None
        if objection := self.preloaded.objection(order.environment):
            self._answer(file, {"refused": objection})
            return None
        return self._fork(file, inbox, order)

    def _fork(self, file: int, inbox: Inbox, order: Order) -> Forked | None:
        sys.stdout.flush()
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes
            self._answer(file, {"refused": f"it could not fork: {error.strerror}"})
            return None
        if pid == 0:
            self._let_go_of_all_but(inbox.connection)
            return Forked(inbox.connection, order, inbox.files)
        self.forks += 1
        del self._asking[file]
        inbox.close_files()
        self.kernels[pid] = inbox.connection
        self.poll.modify(file, select.POLLRDHUP)  # what is said there is for the kernel
        return None

    def _let_go_of_all_but(self, connection: socket.socket) -> None:
        if not self.retired:
            self.listener.close()
            os.close(self.lock)
        others = [inbox.connection for inbox, _ in self._asking.values()]
        for inbox, _ in self._asking.values():
            if inbox.connection is not connection:
                inbox.close_files()
        for each in (self.wakeup, self.waker, *self.kernels.values(), *others):
            if each is not connection:
                each.close()

    def _hang_up(self, file: int) -> None:
        """A kernel outlives no client, not even one that holds Python's lock for good."""
        for pid, connection in self.kernels.items():
            if connection.fileno() == file:
                self.poll.unregister(file)
                with suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid in [*self.kernels]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                connection = self.kernels.pop(pid)
                with suppress(KeyError, ValueError):  # it has hung up before
                    self.poll.unregister(connection)
                with suppress(OSError):
                    send(connection, {"ended": os.waitstatus_to_exitcode(status)})
                connection.close()


WISHES: Mapping[str, Callable[[Server, int, Inbox, Any], Forked | None]] = {
    "fork": Server._on_fork,
    "status": Server._on_status,
    "stop": Server._on_stop,
}
