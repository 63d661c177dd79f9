"""PluginHost: finds plugins, refuses broken or doubled ones, resolves factories on first use."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

from tunebook.config import PluginConfig
from tunebook.discovery import (
    flag,
    from_environment,
    installed_plugins,
    load_file,
    missing_modules,
    origin_of,
)
from tunebook.errors import ConfigError, MachineError, Problem, did_you_mean
from tunebook.plugin_lint import check_descriptor, kind_of, lint
from tunebook.specs import (
    KINDS,
    OBSERVERS,
    PROJECT,
    BuiltDescriptor,
    Descriptor,
    Origin,
    TunebookSpecs,
)


class PluginWarning(UserWarning):
    """A plugin was left out because it is broken."""


@dataclass(frozen=True)
class PluginInfo:
    """One line of `tunebook plugins`."""

    name: str
    kind: str
    summary: str
    distribution: str
    version: str
    available: bool
    why_not: str = ""


@dataclass(frozen=True)
class Broken:
    """A plugin that was left out, and why."""

    origin: Origin
    problem: Problem


class PluginHost:
    """All plugins of one process, or of one test. There are no globals: hosts don't share state.

    Args:
        discover: Load installed plugins through their entry points.
        only: Entry points to load: names, distributions or ``distribution:name``; with a leading
            ``-`` all but those. None reads ``TUNEBOOK_PLUGINS``.
        files: Single-file plugins; those in ``TUNEBOOK_PLUGIN_FILES`` are loaded as well.
        strict: Raise on a broken plugin instead of warning. None reads
            ``TUNEBOOK_STRICT_PLUGINS``.

    Raises:
        ConfigError: A name in `only` is unknown, two plugins share a name, or a plugin is broken
            while `strict` is set.
    """

    def __init__(
        self,
        *,
        discover: bool = True,
        only: Sequence[str] | None = None,
        files: Iterable[str | Path] = (),
        strict: bool | None = None,
    ) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(TunebookSpecs)
        self._origins: dict[int, Origin] = {}
        self._descriptors: dict[str, dict[str, tuple[Descriptor, Origin]]] = {k: {} for k in KINDS}
        self.broken: list[Broken] = []
        self._strict = flag("TUNEBOOK_STRICT_PLUGINS") if strict is None else strict
        if flag("TUNEBOOK_TRACE_HOOKS"):
            self._manager.trace.root.setwriter(lambda text: sys.stderr.write(text))
        self._trace = self._manager.trace.get("call")
        if discover:
            for entry in installed_plugins(only):
                self._load(origin_of(entry), entry.load)
        for file in [*from_environment("TUNEBOOK_PLUGIN_FILES", os.pathsep), *files]:
            path = Path(file)
            self._load(Origin(path.stem, str(path), ""), functools.partial(load_file, path))

    def register(self, plugin: object, name: str | None = None) -> None:
        """Adds a module or object with hook implementations, such as one made in a notebook.

        Raises:
            ConfigError: It is not a working plugin.
        """
        own = str(getattr(plugin, "__name__", type(plugin).__name__))
        origin = Origin(name or own, "session", "")
        self._admit(plugin, origin)

    def add(self, *descriptors: Descriptor) -> None:
        """Adds descriptors directly, such as those of classes defined in a notebook cell.

        Raises:
            ConfigError: A name is taken, or a descriptor is malformed.
        """
        origin = Origin("session", "session", "")
        self._keep_all([(kind_of(each, origin), each) for each in descriptors], origin)

    def names(self, kind: str) -> list[str]:
        """Returns the sorted names of all plugins of `kind`."""
        return sorted(self._descriptors[kind])

    def descriptors(self, kind: str) -> list[Any]:
        """Returns all descriptors of `kind`, sorted by name."""
        return [self._descriptors[kind][name][0] for name in self.names(kind)]

    def get(self, kind: str, name: str) -> Any:
        """Returns one descriptor.

        Raises:
            ConfigError: There is none of that name.
        """
        if name not in self._descriptors[kind]:
            raise ConfigError(
                Problem(
                    f"{kind}.unknown",
                    kind,
                    f"the name of a {kind} plugin",
                    f"`{name}`",
                    did_you_mean(name, self.names(kind)),
                )
            )
        return self._descriptors[kind][name][0]

    def origin(self, kind: str, name: str) -> Origin:
        """Returns where a plugin comes from."""
        return self._descriptors[kind][name][1]

    def named(self, kind: str, name: str) -> str:
        """Returns what errors call a plugin: its kind, its name, and where it comes from."""
        return f"{kind} `{name}` ({self.origin(kind, name).distribution})"

    def create(self, kind: str, config: PluginConfig) -> Any:
        """Imports the factory of the plugin that `config` names and calls it with `config`.

        Raises:
            MachineError: A package it needs isn't installed.
            ConfigError: The factory cannot be imported.
        """
        descriptor = self.get(kind, config.kind)
        self.require(kind, descriptor)
        where = self.named(kind, descriptor.name)
        module_name, _, attribute = descriptor.factory.partition(":")
        try:
            factory = getattr(importlib.import_module(module_name), attribute)
        except ImportError as error:
            raise MachineError(_missing(where, str(error), descriptor.install)) from error
        except AttributeError as error:
            raise ConfigError(
                Problem(
                    "plugin.factory",
                    where,
                    "a factory `package.module:Name` that exists",
                    descriptor.factory,
                    "mend the plugin's descriptor",
                )
            ) from error
        return factory(config)

    def require(self, kind: str, descriptor: BuiltDescriptor) -> None:
        """Raises MachineError when a package that the plugin needs isn't installed."""
        missing = missing_modules(descriptor)
        if missing:
            raise MachineError(
                _missing(f"{kind} `{descriptor.name}`", ", ".join(missing), descriptor.install)
            )

    def listing(self) -> list[PluginInfo]:
        """Returns all plugins by kind and name; broken ones come last."""
        rows = [
            self._info(kind, descriptor, origin)
            for kind in KINDS
            for _, (descriptor, origin) in sorted(self._descriptors[kind].items())
        ]
        return rows + [
            PluginInfo(
                broken.origin.plugin,
                "broken",
                "",
                broken.origin.distribution,
                broken.origin.version,
                False,
                f"{broken.problem.found}; {broken.problem.fix}",
            )
            for broken in self.broken
        ]

    def notify(self, hook: str, **arguments: Any) -> list[str]:
        """Calls observers one by one; one that raises doesn't keep the others from being called.

        Returns:
            A sentence for each observer that raised.
        """
        if hook not in OBSERVERS:
            raise ValueError(f"{hook} is not an observer hook")
        failures = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            self._trace(f"{hook} of {implementation.plugin_name}")
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except Exception as error:
                name = implementation.plugin_name
                failures.append(f"observer `{name}` failed in {hook}: {error!r}")
        return failures

    def _load(self, origin: Origin, load: Callable[[], object]) -> None:
        try:
            self._admit(load(), origin)
        except ConfigError as error:
            if self._strict or any(p.code == "plugin.duplicate" for p in error.problems):
                raise
            self._report(origin, error.problems[0])
        except Exception as error:
            problem = Problem(
                "plugin.broken",
                f"plugin `{origin.plugin}` ({origin.distribution})",
                "a module that imports",
                repr(error),
                f"mend or uninstall it, or leave it out with TUNEBOOK_PLUGINS=-{origin.plugin}",
            )
            if self._strict:
                raise ConfigError(problem) from error
            self._report(origin, problem)

    def _report(self, origin: Origin, problem: Problem) -> None:
        self.broken.append(Broken(origin, problem))
        warnings.warn(
            f"plugin `{origin.plugin}` was left out: {problem.found}; {problem.fix}",
            PluginWarning,
            stacklevel=2,
        )

    def _admit(self, plugin: object, origin: Origin) -> None:
        problems = [*lint(plugin, origin)]
        if problems:
            raise ConfigError(*problems)
        self._manager.register(plugin, name=f"{origin.distribution}:{origin.plugin}")
        try:
            self._manager.check_pending()
            found = [
                (kind, descriptor)
                for kind, (hook, _) in KINDS.items()
                for descriptor in self._collect(plugin, hook)
            ]
            self._keep_all(found, origin)
        except pluggy.PluginValidationError as error:
            self._manager.unregister(plugin)
            raise ConfigError(_misspelt(origin, str(error))) from error
        except Exception:
            self._manager.unregister(plugin)
            raise

    def _collect(self, plugin: object, hook: str) -> Iterator[Descriptor]:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin is plugin:
                self._trace(f"{hook} of {implementation.plugin_name}")
                yield from implementation.function() or ()

    def _keep_all(self, found: Sequence[tuple[str, Descriptor]], origin: Origin) -> None:
        """Keeps all of a plugin's descriptors, or none of them."""
        kept: dict[tuple[str, str], tuple[Descriptor, Origin]] = {}
        for kind, descriptor in found:
            problem = check_descriptor(descriptor, kind, origin)
            if problem:
                raise ConfigError(problem)
            key = (kind, descriptor.name)
            taken = self._descriptors[kind].get(descriptor.name) or kept.get(key)
            if taken:
                raise ConfigError(_duplicate(kind, descriptor.name, taken[1], origin))
            kept[key] = (descriptor, origin)
        for (kind, name), entry in kept.items():
            self._descriptors[kind][name] = entry

    def _info(self, kind: str, descriptor: Descriptor, origin: Origin) -> PluginInfo:
        missing = missing_modules(descriptor)
        why_not = f"needs {', '.join(missing)}" if missing else ""
        if missing and isinstance(descriptor, BuiltDescriptor) and descriptor.install:
            why_not += f": {descriptor.install}"
        return PluginInfo(
            descriptor.name,
            kind,
            descriptor.summary,
            origin.distribution,
            origin.version,
            not missing,
            why_not,
        )


def _missing(where: str, found: str, install: str) -> Problem:
    return Problem(
        "environment.missing_package",
        where,
        "its packages to be installed",
        f"missing: {found}",
        install or "install the missing package",
    )


def _misspelt(origin: Origin, text: str) -> Problem:
    hooks = [hook for hook, _ in KINDS.values()] + list(OBSERVERS)
    name = text.split("'")[1] if text.count("'") >= 2 else text
    return Problem(
        "plugin.unknown_hook",
        f"plugin `{origin.plugin}` ({origin.distribution})",
        "hooks that tunebook has",
        text.splitlines()[0],
        did_you_mean(name, hooks),
    )


def _duplicate(kind: str, name: str, first: Origin, second: Origin) -> Problem:
    return Problem(
        "plugin.duplicate",
        f"{kind} `{name}`",
        "one plugin of that name",
        f"one in {first.distribution} {first.version} ({first.plugin}) and one in "
        f"{second.distribution} {second.version} ({second.plugin})",
        f"leave one out: TUNEBOOK_PLUGINS=-{second.distribution}:{second.plugin}",
    )


def plugin_versions(host: PluginHost, used: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Returns ``kind:name`` → ``distribution version`` for the plugins in `used`."""
    origins = {
        f"{kind}:{name}": host.origin(kind, name) for kind, names in used.items() for name in names
    }
    return {key: f"{o.distribution} {o.version}".strip() for key, o in origins.items()}
