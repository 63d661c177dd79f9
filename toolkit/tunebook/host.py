"""PluginHost: finds plugins, refuses broken or doubled ones, resolves factories on first use."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import isfunction
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy

from tunebook.compatibility import incompatibility, later_api, load_compatible
from tunebook.config import PluginConfig
from tunebook.discovery import (
    SESSION,
    flag,
    from_environment,
    installed_plugins,
    load_file,
    missing_modules,
    module_name,
    origin_of,
    read_file,
)
from tunebook.errors import ConfigError, MachineError, Problem
from tunebook.hook_trace import Trace, told, untold
from tunebook.loose import LoosePlugin, free_stem, from_session
from tunebook.plugin_lint import check_descriptor, kind_of, lint
from tunebook.plugin_listing import Broken, PluginInfo, info_about, info_about_broken
from tunebook.plugin_problems import (
    already_there,
    broken_module,
    duplicate,
    missing_package,
    no_such_factory,
    same_module,
    unknown_hook,
    unknown_plugin,
)
from tunebook.records import PLUGINS
from tunebook.specs import (
    KINDS,
    OBSERVERS,
    PROJECT,
    BuiltDescriptor,
    Descriptor,
    ObserverPlugin,
    Origin,
    TunebookSpecs,
)


class PluginWarning(UserWarning):
    """A plugin was left out because it is broken."""


class PluginHost:
    """All plugins of one process, or of one test. There are no globals: hosts don't share state.

    A new host reads files again, so that edits count without restarting the kernel.

    Attributes:
        broken: Plugins that were left out.
        loose: Plugins that aren't in an installed package, with their source.

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
        self._descriptors: dict[str, dict[str, tuple[Descriptor, Origin]]] = {k: {} for k in KINDS}
        self.broken: list[Broken] = []
        self._strict = flag("TUNEBOOK_STRICT_PLUGINS") if strict is None else strict
        self._trace: Trace = told if flag("TUNEBOOK_TRACE_HOOKS") else untold
        self._files: dict[str, ModuleType] = {}
        self.loose: dict[Origin, LoosePlugin] = {}
        if discover:
            for entry in installed_plugins(only):
                origin = origin_of(entry)
                self._load(origin, functools.partial(load_compatible, entry, origin))
        for file in [*from_environment("TUNEBOOK_PLUGIN_FILES", os.pathsep), *files]:
            path = Path(file)
            self._load(Origin(path.stem, str(path), ""), functools.partial(self._read, path))

    def register(self, plugin: object, name: str | None = None) -> None:
        """Adds a hook implementation, or a module or an object with several.

        Args:
            plugin: For example a function with ``@hookimpl``, defined in a cell of a notebook.
            name: Its name in error messages; its own name when None.

        Raises:
            ConfigError: It is not a working plugin.
        """
        own = str(getattr(plugin, "__name__", type(plugin).__name__))
        origin = Origin(name or own, SESSION, "")
        hooks = SimpleNamespace(**{own: plugin}) if isfunction(plugin) else plugin
        self._keep_source(origin, plugin, self._admit(hooks, origin))

    def add(self, *descriptors: Descriptor) -> None:
        """Adds descriptors directly, such as those of classes defined in a notebook cell.

        Raises:
            ConfigError: A name is taken, or a descriptor is malformed.
        """
        found = [(kind_of(each, Origin(SESSION, SESSION, "")), each) for each in descriptors]
        if found:
            origin = Origin(found[0][1].name, SESSION, "")
            self._keep_all(found, origin)
            self._keep_source(origin, None, found)

    def names(self, kind: str) -> list[str]:
        """Returns the sorted names of all plugins of `kind`."""
        return sorted(self._descriptors[kind])

    def descriptors(self, kind: str) -> list[Any]:
        """Returns all descriptors of `kind`, sorted by name."""
        return [self._descriptors[kind][name][0] for name in self.names(kind)]

    def get(self, kind: str, name: str) -> Any:
        """Returns one descriptor.

        Raises:
            ConfigError: There is no plugin of that name.
        """
        if name not in self._descriptors[kind]:
            raise ConfigError(unknown_plugin(kind, name, self.names(kind)))
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
        home, _, attribute = descriptor.factory.partition(":")
        try:
            module = self._files.get(home) or importlib.import_module(home)
            factory = getattr(module, attribute)
        except ImportError as error:
            raise MachineError(missing_package(where, str(error), descriptor.install)) from error
        except AttributeError as error:
            raise ConfigError(no_such_factory(where, descriptor.factory)) from error
        return factory(config)

    def require(self, kind: str, descriptor: BuiltDescriptor) -> None:
        """Raises MachineError when a package that the plugin needs isn't installed."""
        missing = missing_modules(descriptor)
        if missing:
            where = f"{kind} `{descriptor.name}`"
            raise MachineError(missing_package(where, ", ".join(missing), descriptor.install))

    def listing(self) -> list[PluginInfo]:
        """Returns all plugins by kind and name; broken ones come last."""
        rows = [
            info_about(kind, descriptor, origin)
            for kind in KINDS
            for _, (descriptor, origin) in sorted(self._descriptors[kind].items())
        ]
        return rows + [info_about_broken(each) for each in self.broken]

    def notify(self, hook: str, **arguments: Any) -> list[str]:
        """Calls observers one by one; if one raises, the others are still called.

        Returns:
            A sentence for each observer that raised.
        """
        failures = []
        for name, call in self.observers(hook).items():
            try:
                call(**arguments)
            except Exception as error:
                failures.append(f"observer `{name}` failed in {hook}: {error!r}")
        return failures

    def observers(self, hook: str) -> dict[str, Callable[..., None]]:
        """Returns the observers of a hook by name, each to be called with all its arguments."""
        if hook not in OBSERVERS:
            raise ValueError(f"{hook} is not an observer hook")
        found = getattr(self._manager.hook, hook).get_hookimpls()
        return {each.plugin_name: functools.partial(self._observe, hook, each) for each in found}

    def _observe(self, hook: str, implementation: pluggy.HookImpl, **arguments: Any) -> None:
        given = (arguments[name] for name in implementation.argnames)
        with self._trace(hook, implementation.plugin_name):
            implementation.function(*given)

    def _load(self, origin: Origin, load: Callable[[], object | None]) -> None:
        try:
            plugin = load()
            if plugin is not None:
                self._admit(plugin, origin)
        except ConfigError as error:
            self._forget(origin)
            if self._strict or any(p.code == "plugin.duplicate" for p in error.problems):
                raise
            self._report(origin, error.problems[0])
        except Exception as error:
            self._forget(origin)
            problem = later_api(error, origin) or broken_module(origin, error)
            if self._strict:
                raise ConfigError(problem) from error
            self._report(origin, problem)

    def _keep_source(
        self, origin: Origin, plugin: object, found: Sequence[tuple[str, Descriptor]]
    ) -> None:
        stem = free_stem(origin.plugin, self.loose.values())
        self.loose[origin] = from_session(stem, plugin, found)

    def _read(self, path: Path) -> ModuleType | None:
        """Makes a module of a file; None where the host has it already, from another place."""
        source = read_file(path)
        name = module_name(path)
        earlier = self._files.get(name)
        if earlier is not None:
            plugin = next(each for each in self.loose.values() if each.module == name)
            if plugin.source != source:
                raise ConfigError(same_module(str(path), str(earlier.__file__)))
            return None
        self._files[name] = load_file(path, source)
        self.loose[Origin(path.stem, str(path), "")] = LoosePlugin(path.stem, source)
        return self._files[name]

    def _forget(self, origin: Origin) -> None:
        left_out = self.loose.pop(origin, None)
        if left_out is not None:
            self._files.pop(left_out.module, None)

    def _report(self, origin: Origin, problem: Problem) -> None:
        self.broken.append(Broken(origin, problem))
        warnings.warn(
            f"plugin `{origin.plugin}` was left out: {problem.found}; {problem.fix}",
            PluginWarning,
            stacklevel=2,
        )

    def _admit(self, plugin: object, origin: Origin) -> list[tuple[str, Descriptor]]:
        """Takes a plugin in, whole or not at all; returns what it describes, by kind."""
        unsuited = incompatibility(plugin, origin)
        problems = [unsuited] if unsuited else [*lint(plugin, origin)]
        if problems:
            raise ConfigError(*problems)
        try:
            self._manager.register(plugin, name=f"{origin.distribution}:{origin.plugin}")
        except ValueError as error:
            raise ConfigError(already_there(origin)) from error
        try:
            self._manager.check_pending()
            found: list[tuple[str, Descriptor]] = [
                (kind, descriptor)
                for kind, (hook, _) in KINDS.items()
                if hook
                for descriptor in self._collect(plugin, hook)
            ]
            found += [("observer", each) for each in self._watching(plugin, origin)]
            self._keep_all(found, origin)
            return found
        except pluggy.PluginValidationError as error:
            self._manager.unregister(plugin)
            raise ConfigError(unknown_hook(origin, str(error))) from error
        except Exception:
            self._manager.unregister(plugin)
            raise

    def _collect(self, plugin: object, hook: str) -> Iterator[Descriptor]:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin is plugin:
                with self._trace(hook, implementation.plugin_name):
                    found = list(implementation.function() or ())
                yield from found

    def _watching(self, plugin: object, origin: Origin) -> Iterator[Descriptor]:
        hooks = tuple(
            hook
            for hook in OBSERVERS
            if any(
                each.plugin is plugin for each in getattr(self._manager.hook, hook).get_hookimpls()
            )
        )
        if hooks:
            told = plugin.__doc__ if isinstance(plugin, ModuleType) else None
            yield ObserverPlugin(origin.plugin, (told or "Watches runs.").splitlines()[0], hooks)

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
                raise ConfigError(duplicate(kind, descriptor.name, taken[1], origin))
            kept[key] = (descriptor, origin)
        for (kind, name), entry in kept.items():
            self._descriptors[kind][name] = entry


def plugin_versions(host: PluginHost, used: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Returns ``kind:name`` → ``distribution version`` for the plugins in `used`.

    For a single file that is its path, for what was made in a session where a run keeps its source.
    """
    origins = {
        f"{kind}:{name}": host.origin(kind, name) for kind, names in used.items() for name in names
    }
    return {key: f"{o.distribution} {_version(host, o)}".strip() for key, o in origins.items()}


def _version(host: PluginHost, origin: Origin) -> str:
    loose = host.loose.get(origin)
    kept = origin.distribution == SESSION and loose is not None and loose.source
    return f"{PLUGINS}/{loose.file_name}" if kept and loose else origin.version
