"""Keeps the leaderboard of a batch up to date while it runs, without holding it up."""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Sequence
from types import ModuleType

from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder

PAUSE_SECONDS = 10.0
"""Between two leaderboards, since making one takes a second of a core that runs could use."""
MODULE = "tunebook.batch.leaderboard"


class Leaderboards:
    """Writes a leaderboard after each finished run, in a thread, and once more at the end.

    Whatever goes wrong with it is a warning: no run depends on a picture of it.
    """

    def __init__(self, folder: BatchFolder) -> None:
        self._folder = folder
        self._wanted = threading.Event()
        self._end = threading.Event()
        self._entries: Sequence[Entry] = ()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._failed = False

    def __enter__(self) -> Leaderboards:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._wanted.set()
        self._thread.join()

    def update(self, entries: Sequence[Entry]) -> None:
        """Has the leaderboard written soon."""
        self._entries = entries
        self._wanted.set()

    def finish(self, entries: Sequence[Entry]) -> None:
        """Writes it now, and never again."""
        self.__exit__()
        self._write(entries)

    def _work(self) -> None:
        while not self._end.is_set():
            self._wanted.wait()
            if self._end.is_set():
                return
            self._wanted.clear()
            self._write(self._entries)
            self._end.wait(PAUSE_SECONDS)

    def _write(self, entries: Sequence[Entry]) -> None:
        try:
            module = _module()
            if module is not None:
                module.write_leaderboard(self._folder.path, entries)
        except Exception as error:
            if not self._failed:  # once is enough
                warnings.warn(f"the leaderboard could not be written: {error!r}", stacklevel=2)
            self._failed = True


def _module() -> ModuleType | None:
    """Returns the module, imported on first use since it is heavy."""
    try:
        return importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        if error.name == MODULE:
            return None
        raise
