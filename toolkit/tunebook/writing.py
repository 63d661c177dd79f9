"""Files that are whole or not there. It is light, for every process of a run writes some."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from tunebook.errors import MachineError, Problem


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a whole file or nothing: a temporary neighbour, fsync, then rename.

    Who may read a file that was there already may read it afterwards, and nobody else.

    Raises:
        MachineError: The folder cannot be written to or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            with suppress(OSError):  # nothing was there, or a file system that knows no modes
                shutil.copymode(path, temporary)
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # its name is too long as well, or the disk can't be written to
            temporary.unlink()
        raise MachineError(write_problem(path, error)) from error


def write_problem(path: Path, error: OSError) -> Problem:
    """Returns the problem for a failed write, in the error's own words."""
    return Problem(
        "environment.not_writable",
        str(path),
        "a place that can be written to",
        error.strerror or str(error),
        "free some space, see who may write there, or name another place (--runs-dir for runs)",
    )
