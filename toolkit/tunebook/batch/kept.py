"""What a leaderboard has worked out before, beside the batch, so that a finished run costs one run.

Anything in here may be deleted at any time, and what is damaged is worked out again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tunebook import __version__
from tunebook.errors import MachineError
from tunebook.records import write_atomically

FOLDER = ".leaderboard"
VERSION = 1
"""Raised when the same source comes to other numbers; what other versions have kept is not looked
at, whether of this format or of tunebook, which its metrics come with."""

Arrays = dict[str, np.ndarray]


class Kept:
    """Numbers and pictures by what they were made from.

    Args:
        batch: Folder of the batch.
    """

    def __init__(self, batch: Path) -> None:
        self.folder = batch / FOLDER

    def arrays(self, source: Any, make: Callable[[], Arrays]) -> Arrays:
        """Returns what `make` returns, or has returned before for the same `source`.

        Args:
            source: JSON types that say all that the result depends on.
            make: Works it out.
        """
        path = self._path(source, "npz")
        # missing or damaged: numpy raises whatever it meets
        with suppress(Exception), np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
        made = make()
        buffer = BytesIO()
        np.savez(buffer, **made)  # type: ignore[arg-type]
        self._keep(path, buffer.getvalue())
        return made

    def number(self, source: Any, make: Callable[[], float]) -> float:
        """Returns one number in the same way."""
        return float(self.arrays(source, lambda: {"number": np.array(make())})["number"])

    def picture(self, source: Any, make: Callable[[], bytes]) -> bytes:
        """Returns a file in the same way."""
        made = self.arrays(source, lambda: {"picture": np.frombuffer(make(), dtype=np.uint8)})
        return made["picture"].tobytes()

    def _path(self, source: Any, ending: str) -> Path:
        text = json.dumps([VERSION, __version__, source], sort_keys=True, default=str)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.{ending}"

    def _keep(self, path: Path, content: bytes) -> None:
        # a place that cannot be written to costs time, not the result
        with suppress(OSError, MachineError):
            self.folder.mkdir(exist_ok=True)
            write_atomically(path, content)


def state_of(file: Path) -> Mapping[str, int]:
    """Returns by what a change of a file shows."""
    stat = file.stat()
    return {"size": stat.st_size, "changed": stat.st_mtime_ns}
