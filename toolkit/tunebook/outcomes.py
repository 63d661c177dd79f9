"""How a run ends, and that its record says so, whatever ended it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tunebook.errors import MachineError, Problem, StoppedError, TrainingError, TunebookError
from tunebook.records import write_problem

RESERVE_BYTES = 256 * 1024
"""Held back on disk, so that a full disk leaves room for a record that says so."""

Told = Callable[[str, TunebookError], None]
"""Writes the last state: a status and the error."""


@contextmanager
def recorded(folder: Path, tell: Told) -> Iterator[None]:
    """Turns whatever ends the block into a TunebookError, after telling it to the record.

    Raises:
        TunebookError: The block did not come to its end.
    """
    reserve = folder / ".reserve"
    try:
        reserve.write_bytes(b"\0" * RESERVE_BYTES)
        yield
    except BaseException as error:
        reserve.unlink(missing_ok=True)
        told = as_tunebook_error(error, folder)
        # where the folder is gone or full to the last byte, the error itself is still raised
        with suppress(OSError, TunebookError):
            tell("stopped" if isinstance(told, StoppedError) else "failed", told)
        if told is error:
            raise
        raise told from error
    finally:
        reserve.unlink(missing_ok=True)


def as_tunebook_error(error: BaseException, where: Path) -> TunebookError:
    """Returns `error` in our one shape."""
    if isinstance(error, TunebookError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(
            Problem("run.stopped", str(where), "a run to its end", "an interrupt", "run it again")
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES):
        return MachineError(write_problem(Path(error.filename or where), error))
    if "No space left" in str(error):  # safetensors and parquet have error classes of their own
        return MachineError(write_problem(where, OSError(errno.ENOSPC, str(error))))
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return MachineError(
            Problem(
                "environment.memory",
                str(where),
                "enough memory",
                str(error) or "none left",
                "lower training.batch_size and raise training.gradient_accumulation",
            )
        )
    return TrainingError(
        Problem(
            "run.unexpected",
            str(where),
            "no such error",
            f"{type(error).__name__}: {error}",
            "run with --debug and report what it prints",
        )
    )
