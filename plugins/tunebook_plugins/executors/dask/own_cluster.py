"""A scheduler in this process, and workers as processes of this machine."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time

from distributed import LocalCluster

SLOT = "slot"
RESTARTS_PER_WORKER = 5
"""A worker that dies more often than that has a cause that another start won't mend."""


class OwnCluster:
    """Listens on the loopback interface alone and shows nothing.

    Workers are started as commands, not by dask's nannies: those are forks of `multiprocessing`,
    which would run the script anew that uses this class. A worker that dies is replaced; all of
    them end when this process does, since they lose their scheduler.

    Args:
        workers: How many, with one thread and one slot each.
        allowed_failures: How often the scheduler gives away again what a lost worker had.
    """

    def __init__(self, workers: int, allowed_failures: int) -> None:
        self.scheduler = LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            silence_logs=logging.CRITICAL,
            scheduler_kwargs={
                "allowed_failures": allowed_failures,
                "dashboard": False,
                # an HTTP server for health is always there, by default on all interfaces
                "dashboard_address": "127.0.0.1:0",
            },
        )
        self.place = tempfile.TemporaryDirectory(prefix="tunebook-dask-")
        self.restarts = workers * RESTARTS_PER_WORKER
        self.workers = [self._start() for _ in range(workers)]

    @property
    def address(self) -> str:
        return str(self.scheduler.scheduler_address)

    def tend(self) -> None:
        """Replaces workers that have died."""
        for place, worker in enumerate(self.workers):
            if worker.poll() is not None and self.restarts > 0:
                self.restarts -= 1
                self.workers[place] = self._start()

    def await_workers(self, seconds: float) -> bool:
        """Whether all workers came within some time."""
        until = time.monotonic() + seconds
        while len(self.scheduler.scheduler_info["workers"]) < len(self.workers):
            if time.monotonic() > until or all(each.poll() is not None for each in self.workers):
                return False
            time.sleep(0.02)
        return True

    def close(self, timeout: float = 10) -> None:
        for worker in self.workers:
            worker.kill()  # its commands have ended, or end now with the pipe to their guard
        for worker in self.workers:
            worker.wait()
        self.scheduler.close(timeout=timeout)
        self.place.cleanup()

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "--nthreads": "1",
            "--resources": f"{SLOT}=1",
            "--host": "127.0.0.1",
            "--memory-limit": "0",  # it only waits for commands, whose memory it doesn't see
            "--dashboard-address": "127.0.0.1:0",
            "--local-directory": self.place.name,
        }
        command = [sys.executable, "-P", "-m", "distributed.cli.dask_worker", self.address]
        flat = [part for option in options.items() for part in option]
        return subprocess.Popen(
            [*command, *flat, "--no-nanny", "--no-dashboard"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # a Ctrl-C in the terminal is for the batch
        )
