"""Attempts as tasks of a dask cluster, one in each slot.

A thread here keeps company with each attempt: it lets it go once its files are there, passes orders
on, waits for its end and fetches what it wrote. So nothing that the user's thread calls waits for
the cluster.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client, Future

from tunebook.attempts import Attempt, Ended
from tunebook.errors import MachineError, Problem
from tunebook_plugins.executors.dask.cluster import Connection, connect
from tunebook_plugins.executors.dask.own_cluster import SLOT
from tunebook_plugins.executors.dask.plugin import DaskConfig
from tunebook_plugins.executors.dask.shipping import fetch, ship
from tunebook_plugins.executors.dask.worker import carry_out, discard, order

LOOK_SECONDS = 0.5
CLOSE_SECONDS = 15


class DaskExecutor:
    """Keeps to `tunebook.attempts.Executor`. The cluster is opened on first use."""

    def __init__(self, config: DaskConfig) -> None:
        self.config = config
        self._connection: Connection | None = None
        self._topic = f"tunebook-{secrets.token_hex(8)}"
        self._companions: dict[str, Companion] = {}
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._closed = False
        self._vanished_since: float | None = None

    @property
    def slots(self) -> int:
        return self._open().slots

    @property
    def threads(self) -> int:
        return self._open().threads

    def start(self, attempt: Attempt) -> None:
        client = self._open().client
        companion = Companion(client, attempt, self.config, self._topic, self._ended.put)
        self._companions[attempt.key] = companion
        companion.start()

    def running(self) -> Collection[str]:
        return tuple(self._companions)

    def poll(self) -> Sequence[Ended]:
        ended = []
        with suppress(queue.Empty):
            while True:
                ended.append(self._ended.get_nowait())
        if ended and self._connection is not None and self._connection.own is not None:
            self._connection.own.tend()
        for end in ended:
            self._companions.pop(end.key, None)
        return ended

    def stop(self, key: str, *, kill: bool = False) -> None:
        companion = self._companions.get(key)
        if companion is not None:
            companion.ask("kill" if kill else "stop")

    def close(self) -> None:
        for companion in self._companions.values():
            companion.ask("kill")
        until = time.monotonic() + CLOSE_SECONDS
        for companion in self._companions.values():
            companion.thread.join(max(0.0, until - time.monotonic()))
        self._companions.clear()
        connection, self._connection, self._closed = self._connection, None, True
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        """Returns the connection, made when it is first asked for.

        Raises:
            MachineError: The cluster cannot be reached, or no longer.
        """
        if self._closed:
            raise MachineError(_gone(self.config, "it was closed"))
        if self._connection is None:
            self._connection = connect(self.config)
            self._connection.client.subscribe_topic(self._topic, self._announced)
        if not reachable(self._connection.client):
            self._vanished_since = self._vanished_since or time.monotonic()
            if time.monotonic() - self._vanished_since > self.config.patience_seconds:
                raise MachineError(_gone(self.config, "it no longer answers"))
        else:
            self._vanished_since = None
        return self._connection

    def _announced(self, event: tuple[float, Mapping[str, str]]) -> None:
        """Called in the client's thread when an attempt has come to a worker."""
        _, told = event
        for companion in [*self._companions.values()]:
            if companion.token == told["token"]:
                companion.inbox.put(("arrived", told["worker"]))


class Companion:
    """Keeps company with one attempt from its start to its end, in a thread of its own.

    Args:
        client: Of the cluster.
        attempt: What is carried out.
        config: The executor's.
        topic: Where workers announce that an attempt has come to them.
        tell: Called once, with the end.
    """

    def __init__(
        self,
        client: Client,
        attempt: Attempt,
        config: DaskConfig,
        topic: str,
        tell: Callable[[Ended], object],
    ) -> None:
        self.client = client
        self.attempt = attempt
        self.config = config
        self.token = f"tunebook-{secrets.token_hex(8)}"
        self.job = job_of(attempt, config, self.token, topic)
        self.tell = tell
        self.inbox: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.worker: str | None = None
        self.arrivals = 0
        self.asked: list[str] = []
        self.sent: Mapping[str, Any] = {}
        self.thread = threading.Thread(target=self._accompany, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def ask(self, word: str) -> None:
        """Asks the attempt to `stop`, or kills it."""
        self.inbox.put(("ask", word))

    def _accompany(self) -> None:
        try:
            end = self._carry()
        except Exception as error:  # of the cluster, of the network, of a disk
            end = self._end("lost", detail=f"{type(error).__name__}: {error}")
        if self.asked and end.kind == "lost":
            end = self._end("stopped", detail=end.detail)
        self.tell(end)

    def _carry(self) -> Ended:
        future = self.client.submit(carry_out, self.job, key=self.token, resources={SLOT: 1})
        future.add_done_callback(lambda _: self.inbox.put(("done", "")))
        silent_since: float | None = None
        while not future.done():
            with suppress(queue.Empty):
                end = self._handle(*self.inbox.get(timeout=LOOK_SECONDS), future)
                if end is not None:
                    return end
            silent_since = None if reachable(self.client) else silent_since or time.monotonic()
            if silent_since and time.monotonic() - silent_since > self.config.patience_seconds:
                return self._end("lost", detail="the scheduler no longer answers")
        return self._conclude(future)

    def _handle(self, event: str, about: str, future: Future) -> Ended | None:
        """Acts on what came; returns the end where it comes of it."""
        if event == "ask":
            self.asked.append(about)
            if self.worker is None:
                future.cancel()
                # it may be on its way, or wait on a worker for a word, in the slot of others
                self.client.run(order, self.token, "refuse", on_error="ignore")
                return self._end("stopped", detail="it had not begun")
            self._call(order, self.token, about)
        if event == "arrived":
            self.worker = about
            self.arrivals += 1
            if self.arrivals > 1 + self.config.retries:
                self._call(order, self.token, "refuse")
                return self._end("lost", detail="its worker was lost")
            if not self.config.shared:
                self.sent = ship(self._call, self.token, self.attempt.folder)
            self._call(order, self.token, "go")
        return None

    def _conclude(self, future: Future) -> Ended:
        if future.status != "finished":
            error = None if future.cancelled() else future.exception(timeout=LOOK_SECONDS * 20)
            return self._end("lost", detail=f"{future.status}: {error or 'the cluster let it go'}")
        told = future.result(timeout=self.config.patience_seconds)
        if "trouble" in told:
            return self._end("lost", detail=told["trouble"])
        if "files" in told:
            fetch(self._call, self.token, self.attempt.folder, self.sent, told["files"])
            self._call(discard, self.token)
        return self._end("stopped" if self.asked else "exited", told["status"], told["said"])

    def _end(self, kind: Any, status: int | None = None, detail: str = "") -> Ended:
        return Ended(self.attempt.key, kind, status, detail)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function of the worker that the attempt is on."""
        answers = self.client.run(function, *arguments, workers=[self.worker])
        return answers[self.worker]


def job_of(attempt: Attempt, config: DaskConfig, token: str, topic: str) -> dict[str, Any]:
    """Returns what a worker has to know of an attempt."""
    return {
        "token": token,
        "topic": topic,
        "command": [*attempt.command],
        "folder": str(attempt.folder),
        "cwd": str(Path.cwd()),
        "environment": dict(attempt.environment),
        "threads": attempt.threads,
        "shared": config.shared,
        "patience": config.patience_seconds,
    }


def reachable(client: Client) -> bool:
    """Whether the client is in touch with its scheduler."""
    return bool(client.status == "running")


def _gone(config: DaskConfig, found: str) -> Problem:
    return Problem(
        "executor.gone",
        f"executor.address: {config.address or 'a cluster of this machine'}",
        "a cluster that lives as long as the batch",
        found,
        "start it again, then go on with `tunebook resume`",
    )
