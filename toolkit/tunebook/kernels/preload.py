"""What a server imports before it forks, and whether a fork may still stand for a fresh import."""

from __future__ import annotations

import gc
import importlib
import os
import re
import sys
import time
from collections.abc import Iterable, KeysView, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, FrameType

from tunebook.discovery import ENTRY_POINT_GROUP, origin_of

PRELOAD = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "ipywidgets",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "pandas.io.formats.style",
    "seaborn",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "datasets",
    "peft",
    "adapters",
    "tunebook.learning_curve",
    "tunebook.widgets.live",
)
"""Beside the bundled plugins: what a kernel imports until the end of a usual notebook."""
PRELOAD_VARIABLE = "TUNEBOOK_KERNELS_PRELOAD"
"""Modules to import instead, separated by commas."""
BEFORE_IMPORTS = {
    # pools of threads don't survive a fork; each kernel sets the size of its own
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
INLINE = "module://matplotlib_inline.backend_inline"
"""What ipykernel sets MPLBACKEND to where nobody has, before matplotlib is imported."""
CLIENTS_OWN = re.compile("_|COLUMNS|LINES|TERM|JPY_.*|OPENBLAS_NUM_THREADS|MPLBACKEND|JE_ARROW.*")
"""Variables that differ from client to client, or are seen to when a kernel is forked."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Preloaded:
    """The state of things when the imports were made.

    Attributes:
        given: The environment then.
        read: Variables that were looked at.
        stamps: Files that were imported, and folders that packages are installed in.
        added: Variables that libraries have set when they were imported.
    """

    given: Mapping[str, str]
    read: frozenset[str]
    stamps: Mapping[str, Stamp | None]
    added: Mapping[str, str]

    def objection(self, environment: Mapping[str, str]) -> str | None:
        """Returns why a kernel with `environment` must not be forked, None where it may."""
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
        if threads > 1:
            return f"its server runs {threads} threads, which a fork would not"
        cuda = sys.modules.get("torch.cuda")
        if cuda is not None and cuda.is_initialized():
            return "its server has initialised CUDA, which doesn't survive a fork"
        differing = sorted(
            name
            for name in self.read
            if self.given.get(name) != environment.get(name) and not CLIENTS_OWN.fullmatch(name)
        )
        if differing:
            return f"its server imported libraries with another {', '.join(differing[:3])}"
        return None

    def changed(self) -> str | None:
        """Returns a file that is no longer what was imported, None where all are."""
        return next((name for name, was in self.stamps.items() if _stamp(name) != was), None)


def bundled_plugins() -> list[str]:
    """Returns the modules of tunebook's own plugins; others may do anything when imported."""
    found = entry_points(group=ENTRY_POINT_GROUP)
    return sorted({each.module for each in found if origin_of(each).distribution == "tunebook"})


def preload(modules: Iterable[str]) -> Preloaded:
    """Imports modules; what cannot be imported is left to the kernels."""
    given = dict(os.environ)
    began = time.time_ns()
    os.environ.update(BEFORE_IMPORTS)
    os.environ.setdefault("MPLBACKEND", INLINE)
    before = {*os.environ}
    gc.disable()  # what imports leave behind is here to stay
    with _Watched() as read:
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                print(f"{name} is not preloaded: {error!r}", flush=True)  # noqa: T201
    gc.collect()
    gc.freeze()
    stamps = {name: _stamp(name) for name in sorted(_files())}
    young = {name: None for name, stamp in stamps.items() if stamp and stamp[0] >= began}
    added = {name: value for name, value in os.environ.items() if name not in before}
    return Preloaded(given, frozenset(read), {**stamps, **young}, added)


class _Watched:
    """Notes which variables are read; going through or copying all of them is no reading.

    fsspec copies them. A server of one terminal could not serve another one otherwise, where the
    shell's variables differ.
    """

    def __init__(self) -> None:
        self.read: set[str] = set()

    def __enter__(self) -> set[str]:
        read, self._class = self.read, type(os.environ)
        copying: set[tuple[CodeType, int]] = set()

        class Environment(self._class):  # type: ignore[name-defined,misc]
            def keys(self) -> KeysView[str]:
                # `dict(…)` asks for these first, then for each value at the same instruction
                copying.add(_place(sys._getframe(1)))
                found: KeysView[str] = super().keys()
                return found

            def __getitem__(self, key: str) -> str:
                caller = sys._getframe(1)
                by_all = caller.f_code.co_name == "__iter__" or _place(caller) in copying
                # in bytes, as subprocess asks for the path, there is none
                if isinstance(key, str) and not by_all:
                    read.add(key)
                value: str = super().__getitem__(key)
                return value

        os.environ.__class__ = Environment
        return read

    def __exit__(self, *_: object) -> None:
        os.environ.__class__ = self._class


def _place(frame: FrameType) -> tuple[CodeType, int]:
    return frame.f_code, frame.f_lasti


def _files() -> set[str]:
    modules = (getattr(module, "__file__", None) for module in [*sys.modules.values()])
    installed = (folder for folder in sys.path if next(Path(folder).glob("*.dist-info"), None))
    return {str(file) for file in modules if file} | set(installed)


def _stamp(name: str) -> Stamp | None:
    try:
        about = os.stat(name)  # noqa: PTH116
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
