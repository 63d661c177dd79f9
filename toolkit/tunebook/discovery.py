"""Where plugins are looked for: entry points, single files, and the variables that choose."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.specs import BuiltDescriptor, Descriptor, Origin

ENTRY_POINT_GROUP = "tunebook"


def installed_plugins(only: Sequence[str] | None) -> list[EntryPoint]:
    """Returns the entry points to load, sorted by name; none is imported.

    Args:
        only: Names, distributions or ``distribution:name``; with a leading ``-`` all but those.
            None reads ``TUNEBOOK_PLUGINS``.

    Raises:
        ConfigError: A name in `only` is unknown.
    """
    chosen = from_environment("TUNEBOOK_PLUGINS", ",") if only is None else list(only)
    return _select(sorted(entry_points(group=ENTRY_POINT_GROUP)), chosen)


def load_file(path: Path) -> ModuleType:
    """Imports a single-file plugin. Its factories are written ``f"{__name__}:Class"``.

    Raises:
        ConfigError: There is no such file.
    """
    if not path.is_file():
        neighbours = [str(file) for file in path.parent.glob("*.py")]
        raise ConfigError(
            Problem(
                "plugin.file_missing",
                str(path),
                "a Python file",
                "nothing there",
                did_you_mean(str(path), neighbours),
            )
        )
    name = f"tunebook_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def missing_modules(descriptor: Descriptor) -> list[str]:
    """Returns the modules that a plugin needs and that aren't installed; imports none of them."""
    requires = descriptor.requires if isinstance(descriptor, BuiltDescriptor) else ()
    return [name for name in requires if not _installed(name)]


def _installed(module: str) -> bool:
    # a module that is loaded may have lost its spec, as `adapters` does
    return module in sys.modules or importlib.util.find_spec(module) is not None


def _select(entries: Sequence[EntryPoint], chosen: Sequence[str]) -> list[EntryPoint]:
    if not chosen:
        return list(entries)
    known = sorted({name for entry in entries for name in _aliases(entry)})
    problems = [
        Problem(
            "plugin.unknown",
            "TUNEBOOK_PLUGINS",
            "names of installed plugins",
            f"`{name}`",
            did_you_mean(name, known),
        )
        for name in (item.removeprefix("-") for item in chosen)
        if name not in known
    ]
    if problems:
        raise ConfigError(*problems)
    wanted = {item for item in chosen if not item.startswith("-")}
    unwanted = {item[1:] for item in chosen if item.startswith("-")}
    return [
        entry
        for entry in entries
        if (not wanted or wanted & _aliases(entry)) and not unwanted & _aliases(entry)
    ]


def _aliases(entry: EntryPoint) -> set[str]:
    origin = origin_of(entry)
    return {entry.name, origin.distribution, f"{origin.distribution}:{entry.name}"}


def origin_of(entry: EntryPoint) -> Origin:
    """Returns where an entry point comes from."""
    if entry.dist is None:
        return Origin(entry.name, "unknown", "")
    return Origin(entry.name, str(entry.dist.name), str(entry.dist.version))


def flag(variable: str) -> bool:
    """Returns whether a variable of the environment is set to something that means yes."""
    return os.environ.get(variable, "").strip().lower() not in ("", "0", "false", "no")


def from_environment(variable: str, separator: str) -> list[str]:
    """Returns the parts of a variable of the environment, empty ones left out."""
    parts = os.environ.get(variable, "").split(separator)
    return [part.strip() for part in parts if part.strip()]
