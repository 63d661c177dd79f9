"""A batch is driven by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from tunebook.batch.folder import BatchFolder
from tunebook.batch.heartbeat import EVERY_SECONDS, Heart, read_beat
from tunebook.errors import ConfigError, MachineError, Problem
from tunebook.records import write_problem


@contextmanager
def driving(folder: BatchFolder) -> Iterator[None]:
    """Holds the batch, and gives signs of life for those who look at it.

    The system lets go of the lock when its process dies, however that dies, so that none is ever
    left over.

    Raises:
        ConfigError: Another process drives it.
        MachineError: The folder cannot be written to.
    """
    lock = FileLock(folder.lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(_held(folder)) from error
    except (OSError, NotImplementedError) as error:
        problem = write_problem(folder.lock_file, OSError(str(error)))
        raise MachineError(problem) from error
    try:
        with Heart(folder.driver_file):
            yield
    finally:
        folder.driver_file.unlink(missing_ok=True)
        lock.release()


def is_driven(folder: BatchFolder) -> bool:
    """Whether a living process drives the batch; from afar that takes some seconds to see."""
    beat = read_beat(folder.driver_file)
    if beat is None:
        return False
    if beat.here:
        return beat.alive()
    until = time.monotonic() + 4 * EVERY_SECONDS
    while time.monotonic() < until:
        time.sleep(EVERY_SECONDS / 4)
        later = read_beat(folder.driver_file)
        if later is not None and later.count != beat.count:
            return True
    return False


def _held(folder: BatchFolder) -> Problem:
    beat = read_beat(folder.driver_file)
    place = "this machine" if beat and beat.here else "another machine"
    who = f"process {beat.pid} of {place}" if beat else "another process"
    fix = f"look at it with `tunebook batches {folder.batch_id}`, or end that process first"
    return Problem("batch.driven", str(folder.path), "nobody else to drive it", who, fix)
