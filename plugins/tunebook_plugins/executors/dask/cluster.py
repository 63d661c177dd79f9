"""The cluster: one that is there, or one of this machine that ends with its owner."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from distributed import Client

from tunebook.errors import MachineError, Problem
from tunebook_plugins.executors.dask.own_cluster import SLOT, OwnCluster
from tunebook_plugins.executors.dask.plugin import DaskConfig
from tunebook_plugins.executors.dask.worker import introduce

START_WORKERS = f"start workers with `dask worker ADDRESS --nthreads 1 --resources {SLOT}=1`"


@dataclass
class Connection:
    """A client, and the cluster if it is our own.

    Attributes:
        threads: CPU threads that a run can use, so that no core of any machine is wanted twice.
    """

    client: Client
    own: OwnCluster | None
    threads: int
    silence: ExitStack

    def close(self) -> None:
        """Leaves the cluster, or ends our own."""
        with self.silence:
            for each in (self.client, self.own):
                with suppress(Exception):  # what is gone already cannot be closed
                    if each is not None:
                        each.close(timeout=10)

    @property
    def slots(self) -> int:
        """Slots of the workers there are now."""
        if self.own is not None:
            self.own.tend()
        return sum(slots_of(self.client).values())


def connect(config: DaskConfig) -> Connection:
    """Returns a connection with what the config names.

    Raises:
        MachineError: It cannot be reached, or has workers that cannot be used.
    """
    with ExitStack() as silence:
        silence.enter_context(quiet())
        own = OwnCluster(config.workers or cores(), config.retries) if not config.address else None
        try:
            address = own.address if own else config.address
            client = Client(address, timeout=config.connect_seconds, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            if own is not None:
                own.close()
            raise MachineError(_unreachable(config, error)) from error
        connection = Connection(client, own, 1, silence)
        try:
            _await_workers(connection, config)
            connection.threads = _threads(client, config)
        except BaseException:
            connection.close()
            raise
        connection.silence = silence.pop_all()
    return connection


def slots_of(client: Client) -> dict[str, int]:
    """Returns the slots of each worker, by address; none while the scheduler is out of reach."""
    if client.status != "running":
        return {}
    try:
        workers = client.scheduler_info(n_workers=-1).get("workers", {})
    except OSError:  # it went away while it was asked
        return {}
    return {
        address: min(int(worker["resources"].get(SLOT, 0)), worker["nthreads"])
        for address, worker in workers.items()
    }


def _await_workers(connection: Connection, config: DaskConfig) -> None:
    """Waits for our own workers, or for the first of others; later ones are taken as they come."""
    if connection.own is not None:
        if not connection.own.await_workers(config.patience_seconds):
            raise MachineError(_no_workers(config))
        return
    with suppress(TimeoutError):  # a cluster that grows on demand may have none yet
        connection.client.wait_for_workers(1, timeout=config.connect_seconds)
    found = slots_of(connection.client)
    if found and not any(found.values()):
        expected = f"workers with the resource `{SLOT}`"
        where, there = f"executor.address: {config.address}", f"{len(found)} workers without it"
        raise MachineError(Problem("executor.no_slots", where, expected, there, START_WORKERS))


def _threads(client: Client, config: DaskConfig) -> int:
    try:
        about: Mapping[str, Any] = client.run(introduce)
    except Exception as error:  # whatever a worker raises comes here
        found = f"{type(error).__name__}: {error}"
        fix = "install the same environment there, tunebook and its plugins included"
        where = f"executor.address: {config.address}"
        expected = "workers that can import tunebook_plugins"
        raise MachineError(Problem("executor.worker", where, expected, found, fix)) from error
    slots: Counter[str] = Counter()
    found_cores: dict[str, int] = {}
    for address, count in slots_of(client).items():
        if address in about:
            host = urlsplit(address).hostname or address
            slots[host] += count
            found_cores[host] = about[address]["cores"]
    return min((max(1, found_cores[h] // n) for h, n in slots.items() if n), default=1)


def cores() -> int:
    """Returns the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the engine's own log out of the terminal; what matters is told as a Problem."""

    def nothing(_: logging.LogRecord) -> bool:
        return False

    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    for name in names:
        logging.getLogger(name).addFilter(nothing)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeFilter(nothing)


def _no_workers(config: DaskConfig) -> Problem:
    return Problem(
        "executor.workers",
        "executor.workers",
        f"workers that start within {config.patience_seconds:g} s",
        "not all did",
        "raise executor.patience_seconds, or see what `python -m distributed.cli.dask_worker` says",
    )


def _unreachable(config: DaskConfig, error: Exception) -> Problem:
    return Problem(
        "executor.unreachable",
        f"executor.address: {config.address}",
        "a dask scheduler that answers",
        " ".join(str(error).split())[:300] or type(error).__name__,
        "start one with `dask scheduler`, see that the address is right and that no firewall is "
        "between, or leave the address out for a cluster of this machine",
    )
