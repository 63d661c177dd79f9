"""The plugin that is being checked, and how it is found."""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tunebook.config import PluginConfig
from tunebook.discovery import SESSION, missing_modules
from tunebook.errors import ConfigError, Problem, did_you_mean, shorten
from tunebook.host import PluginHost
from tunebook.loose import MAIN
from tunebook.shipping import keep_sources
from tunebook.specs import KINDS, PROJECT
from tunebook.testing.check import CheckSkipped, built

T = TypeVar("T")


@dataclass(eq=False)
class Candidate:
    """A plugin that is being checked.

    Attributes:
        host: Plugins among which it is.
        kind: Its kind, such as ``strategy``.
        descriptor: What it says of itself.
        settings: Values of its config, needed for fields without a default.
    """

    host: PluginHost
    kind: str
    descriptor: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    _made: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    def __str__(self) -> str:
        return f"{self.kind}:{self.descriptor.name}"

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be built here, None when it can."""
        missing = missing_modules(self.descriptor)
        if missing:
            return f"needs {', '.join(missing)}: {self.descriptor.install}"
        lacking = [name for name in self._required() if name not in self.settings]
        if lacking:
            names = ", ".join(f"`{name}`" for name in lacking)
            return f"needs a value for {names}: -p {lacking[0]}=… or settings={{…}}"
        return None

    @functools.cached_property
    def scratch(self) -> Path:
        """A folder of its own, which goes when the candidate does."""
        folder = tempfile.mkdtemp(prefix="tunebook-check-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @property
    def source(self) -> dict[str, list[str]]:
        """What another process must load to have the plugin: entry points, files or modules.

        Raises:
            CheckSkipped: It was made in this session, and no other process can have it.
        """
        origin = self.host.origin(self.kind, self.descriptor.name)
        if origin.distribution.endswith(".py"):
            return {"files": [str(Path(origin.distribution).resolve())]}
        if origin.distribution != SESSION:
            return {"only": [f"{origin.distribution}:{origin.plugin}"]}
        if _implements_hooks(sys.modules.get(origin.plugin)):
            return {"modules": [origin.plugin]}
        loose = self.host.loose[origin]
        if loose.problem or not self.of_cells:
            raise CheckSkipped("made in this session: put it into a file, which a process can load")
        return {"files": [str(keep_sources([loose], self.scratch)[0])]}

    @property
    def of_cells(self) -> bool:
        """Whether cells of a notebook define it."""
        return built(self.descriptor) and self.descriptor.config.__module__ == MAIN

    def config(self, **changes: Any) -> PluginConfig:
        """Returns its config, with the settings and `changes` laid over the defaults."""
        values = {"kind": self.descriptor.name, **self.settings, **changes}
        config: PluginConfig = self.descriptor.config.model_validate(values)
        return config

    def create(self, **changes: Any) -> Any:
        """Returns a new object of the plugin's factory."""
        return self.host.create(self.kind, self.config(**changes))

    def once(self, key: object, make: Callable[[], T]) -> T:
        """Returns what `make` made when `key` was first asked for; checks share costly things."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def _required(self) -> list[str]:
        if not built(self.descriptor):
            return []
        fields = self.descriptor.config.model_fields.items()
        return [name for name, info in fields if info.is_required() and name != "kind"]


def find_candidates(
    host: PluginHost,
    name: str,
    *,
    kind: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Candidate]:
    """Returns the plugins that `name` means, by kind and name.

    Args:
        host: Plugins to look among.
        name: Name of a plugin, or ``kind:name``; or an entry point, a distribution or a file, for
            all plugins that come from there.
        kind: Only plugins of this kind.
        settings: Values for fields of the config.

    Raises:
        ConfigError: There is no such plugin, or one of its settings is wrong.
    """
    if kind is not None and kind not in KINDS:
        fix = did_you_mean(kind, [*KINDS])
        raise ConfigError(
            Problem("check.unknown_kind", "--kind", "a kind of plugin", f"`{kind}`", fix)
        )
    there = [(k, n) for k in KINDS for n in host.names(k) if kind in (None, k)]
    named = [(k, n) for k, n in there if name in (n, f"{k}:{n}")]
    place = str(Path(name)) if is_file(name) else name
    found = named or [(k, n) for k, n in there if place in _places(host, k, n)]
    if not found:
        raise ConfigError(_unknown(host, name, [n for _, n in there]))
    candidates = [Candidate(host, k, host.get(k, n), settings or {}) for k, n in found]
    problems = [problem for candidate in candidates for problem in _wrong_settings(candidate)]
    if problems:
        raise ConfigError(*problems)
    return candidates


def is_file(name: str) -> bool:
    """Whether `name` is written like a single-file plugin."""
    return name.endswith(".py")


def _places(host: PluginHost, kind: str, name: str) -> tuple[str, str]:
    origin = host.origin(kind, name)
    return origin.plugin, origin.distribution


def _unknown(host: PluginHost, name: str, names: list[str]) -> Problem:
    for broken in host.broken:
        if name in (broken.origin.plugin, broken.origin.distribution):
            return broken.problem
    expected = "a plugin, or an entry point, distribution or file with plugins"
    return Problem("plugin.unknown", "check", expected, f"`{name}`", did_you_mean(name, names))


def _wrong_settings(candidate: Candidate) -> Iterator[Problem]:
    if not candidate.settings:
        return
    fields = [*candidate.descriptor.config.model_fields] if built(candidate.descriptor) else []
    unknown = [key for key in candidate.settings if key not in fields]
    for key in unknown:
        where = f"settings of {candidate}"
        yield Problem(
            "check.unknown_setting", where, "its fields", f"`{key}`", did_you_mean(key, fields)
        )
    try:
        if not unknown and candidate.obstacle is None:
            candidate.config()
    except ValidationError as error:
        for each in error.errors():
            where = f"settings of {candidate}: {'.'.join(map(str, each['loc']))}"
            found = shorten(each["input"])
            yield Problem("check.invalid_setting", where, each["msg"], found, "give another value")


def _implements_hooks(module: Any) -> bool:
    """Whether it is a module of hooks, and not only called like a plugin."""
    content = vars(module).values() if module is not None else ()
    return any(hasattr(each, f"{PROJECT}_impl") for each in content)
