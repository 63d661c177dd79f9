"""Checking a plugin again and again while its author writes: `check --watch`."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from tunebook.cli.answers import Answer, say
from tunebook.cli.application import Settings
from tunebook.discovery import read_file
from tunebook.errors import TunebookError
from tunebook.host import PluginHost
from tunebook.sources import home_package, place_of, source_sha256

LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Watched:
    """The code whose change begins a new round: single files, and packages by name."""

    files: tuple[Path, ...]
    packages: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, name: str) -> Watched:
        """Returns the code of the plugins that a user calls `name`.

        Raises:
            ConfigError: There are none.
        """
        from tunebook.testing.candidate import find_candidates, is_file

        files = tuple(settings.plugin_files)
        if is_file(name):
            read_file(Path(name))
            return cls(files, ())
        found = [each.descriptor for each in find_candidates(settings.host(), name)]
        factories = [each.factory for each in found if hasattr(each, "factory")]
        homes = {home_package(factory.partition(":")[0]) for factory in factories}
        return cls(files, tuple(sorted(homes)))

    def stamps(self) -> Mapping[Path, tuple[int, int]]:
        """Returns by file when it was written, and its size."""
        stamps = {}
        for file in self._every_file():
            with suppress(OSError):  # an editor may be putting it back
                about = file.stat()
                stamps[file] = about.st_mtime_ns, about.st_size
        return stamps

    def forget(self) -> None:
        """Has packages be imported anew; single files are read by every host."""
        for name in [*sys.modules]:
            if (
                name.startswith(tuple(f"{each}." for each in self.packages))
                or name in self.packages
            ):
                del sys.modules[name]
        importlib.invalidate_caches()
        source_sha256.cache_clear()

    def _every_file(self) -> Iterable[Path]:
        yield from self.files
        for place in filter(None, map(place_of, self.packages)):
            yield from place.rglob("*.py") if place.is_dir() else [place]


def rounds(
    settings: Settings, name: str, check: Callable[[PluginHost], Answer]
) -> Iterator[Answer]:
    """Yields the answer of a check, and a new one after every change of the plugin's code.

    Everything but that code stays imported, so that a round begins at once.

    Args:
        settings: Common options.
        name: What a user calls the plugin.
        check: Makes the checks, among the plugins of a host.

    Raises:
        ConfigError: There is no such plugin to begin with.
    """
    sys.dont_write_bytecode = True  # it would be taken for that of a text of the same second
    watched = Watched.of(settings, name)
    for number in count(1):
        before = watched.stamps()
        answer = _checked(settings, check)
        data = {"event": "round", "number": number, **answer.data}
        yield replace(answer, data=data, one_line=True)
        say("watching for changes; Ctrl-C ends it")
        while watched.stamps() == before:
            time.sleep(LOOK_SECONDS)
        watched.forget()


def _checked(settings: Settings, check: Callable[[PluginHost], Answer]) -> Answer:
    try:
        return check(settings.host())
    except TunebookError as error:  # half-written code is no reason to give up
        return Answer("", {}, error)
