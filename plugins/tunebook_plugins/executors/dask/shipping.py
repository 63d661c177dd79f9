"""Files of an attempt, to its worker and back, piece by piece.

What comes back lies beside the folder until all of it is there and every checksum is right. Then it
is moved in, the record last: a folder whose record says how the run ended is whole.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tunebook.errors import MachineError
from tunebook.records import RunDirectory, write_problem
from tunebook_plugins.executors.dask.worker import checksum, get_piece, manifest, put_piece

PIECE_BYTES = 4 << 20

Call = Callable[..., Any]
"""Calls a function of the worker that the attempt is on."""


class Damaged(Exception):
    """A file did not arrive as it was sent."""


def ship(call: Call, token: str, folder: Path) -> dict[str, Any]:
    """Brings the files of a folder to the worker; returns what they are."""
    files = manifest(folder)
    for path, (size, _) in files.items():
        with (folder / path).open("rb") as file:
            for offset in range(0, max(size, 1), PIECE_BYTES):
                call(put_piece, token, path, offset, file.read(PIECE_BYTES))
    return files


def fetch(
    call: Call,
    token: str,
    folder: Path,
    sent: Mapping[str, Sequence[Any]],
    there: Mapping[str, Sequence[Any]],
) -> None:
    """Brings the files of the worker into the folder, all of them or none.

    Args:
        call: Calls a function of the worker.
        token: The attempt's.
        folder: Where they go.
        sent: What was shipped; what is no longer there is removed here as well.
        there: What lies on the worker. What is the same here isn't fetched.

    Raises:
        Damaged: A file did not arrive as it was, or wants to lie elsewhere.
        MachineError: They cannot be written here.
    """
    changed = [path for path, about in there.items() if tuple(about) != tuple(sent.get(path, ()))]
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for path in changed:
                _fetch_file(call, token, path, there[path], staging)
            _move_in(staging, folder, changed, [path for path in sent if path not in there])
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise MachineError(write_problem(folder, error)) from error


def _fetch_file(call: Call, token: str, path: str, about: Sequence[Any], staging: Path) -> None:
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/"):
        raise Damaged(f"{path} lies outside the folder")
    size, digest = about
    target = staging.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        for offset in range(0, size, PIECE_BYTES):
            file.write(call(get_piece, token, path, offset, PIECE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    if target.stat().st_size != size or checksum(target) != digest:
        raise Damaged(f"{path} did not arrive as it was")


def _move_in(staging: Path, folder: Path, changed: Sequence[str], removed: Sequence[str]) -> None:
    record = RunDirectory(folder).record_file.name
    for path in removed:
        (folder / path).unlink(missing_ok=True)
    for path in sorted(changed, key=lambda path: path == record):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (staging / path).replace(target)
