"""Files of a new project: all of them, or none, and never over anything."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from tunebook.errors import ConfigError, MachineError, Problem

State = Literal["new", "there"]
Files = Mapping[str, str]
MOST_NAMED = 8


def state_of(folder: Path, files: Files) -> State:
    """Returns whether the files are still to be written, or are all there as they would be.

    Other files in the folder are not looked at: a project that was installed or tested has some.

    Raises:
        ConfigError: The folder holds something else.
        MachineError: It cannot be read, or not be made.
    """
    try:
        if not folder.exists():
            _check_writable(folder)
            return "new"
        if not folder.is_dir():
            raise ConfigError(_occupied(folder, "a file"))
        if not any(folder.iterdir()):
            return "new"
        missing = [name for name in files if not (folder / name).is_file()]
        there = [name for name in files if name not in missing]
        changed = [name for name in there if (folder / name).read_bytes() != files[name].encode()]
    except OSError as error:
        raise MachineError(_no_place(folder, error)) from error
    if missing or changed:
        named = {"changed": changed, "missing": missing}
        found = "; ".join(f"{word}: {_list(names)}" for word, names in named.items() if names)
        raise ConfigError(_occupied(folder, found))
    return "there"


def write_whole(folder: Path, files: Files) -> State:
    """Writes the files into a folder that is empty or not there, beside it at first.

    Returns:
        ``new``, or ``there`` where another process has written the same meanwhile.

    Raises:
        ConfigError: The folder holds something else.
        MachineError: It cannot be written to.
    """
    if state_of(folder, files) == "there":
        return "there"
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        for name, text in files.items():
            file = temporary / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
        temporary.replace(folder)
    except OSError as error:
        if state_of(folder, files) == "there":  # two at once
            return "there"
        raise MachineError(_no_place(folder, error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return "new"


def _check_writable(folder: Path) -> None:
    """Raises OSError where a folder cannot be made, so that a dry run says so, too."""
    above = next(path for path in folder.absolute().parents if path.exists())
    if not above.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(above))


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _occupied(folder: Path, found: str) -> Problem:
    return Problem(
        "template.occupied",
        str(folder),
        "an empty place, or the files as this call makes them",
        found,
        "nothing was touched: choose another name, another place with --into, or move it away",
    )


def _no_place(folder: Path, error: OSError) -> Problem:
    found = error.strerror or str(error)
    fix = "free some space, or name another place with --into"
    expected = "a folder that can be written to"
    return Problem("environment.not_writable", str(folder), expected, found, fix)
