"""Where plugins are looked for: entry points, single files, and the variables that choose."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.specs import BuiltDescriptor, Descriptor, Origin

ENTRY_POINT_GROUP = "tunebook"
SESSION = "session"
"""What the origin of a plugin says that was made in this process."""


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


def load_entry(entry: EntryPoint) -> object:
    """Imports an installed plugin.

    Raises:
        ConfigError: The entry point names nothing that there is.
    """
    try:
        return entry.load()
    except (ModuleNotFoundError, AttributeError) as error:
        nowhere = isinstance(error, AttributeError) and error.name in entry.attr.split(".")
        missing = getattr(error, "name", None) or ""
        if nowhere or entry.module == missing or entry.module.startswith(f"{missing}."):
            raise ConfigError(_nowhere(entry)) from error
        raise


def load_file(path: Path, source: bytes) -> ModuleType:
    """Makes a module of a single-file plugin. Its factories are written ``f"{__name__}:Class"``.

    It is compiled each time: cached byte code is taken for that of another text of the same length
    that was written within the same second.
    """
    name = module_name(path)
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # pydantic looks for names in there
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except BaseException:
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def module_name(path: Path) -> str:
    """Returns the name of the module that a single-file plugin becomes."""
    return "tunebook_file_" + re.sub(r"\W", "_", path.stem)


def read_file(path: Path) -> bytes:
    """Returns the text of a single-file plugin.

    Raises:
        ConfigError: There is no such file.
    """
    if path.is_file() and path.suffix == ".py":
        return path.read_bytes()
    neighbours = [str(file) for file in path.parent.glob("*.py")]
    raise ConfigError(
        Problem(
            "plugin.file_missing",
            str(path),
            "a Python file",
            "another kind of file" if path.exists() else "nothing there",
            did_you_mean(str(path), neighbours),
        )
    )


def how_to_leave_out(origin: Origin) -> str:
    """Returns what a user does who wants to go on without a plugin."""
    if origin.distribution == SESSION:
        return "don't add it"
    if origin.distribution.endswith(".py"):
        return f"leave {origin.distribution} out"
    return f"leave it out with TUNEBOOK_PLUGINS=-{origin.distribution}:{origin.plugin}"


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
    return Origin(entry.name, *_named(entry.dist))


@functools.lru_cache(maxsize=128)
def _named(distribution: Distribution) -> tuple[str, str]:
    """Returns name and version. Each is read from all its metadata, which are parsed anew for it,
    and a distribution has many plugins; entry points that are looked up again have another one."""
    return str(distribution.name), str(distribution.version)


def flag(variable: str) -> bool:
    """Returns whether a variable of the environment is set to something that means yes."""
    return os.environ.get(variable, "").strip().lower() not in ("", "0", "false", "no")


def from_environment(variable: str, separator: str) -> list[str]:
    """Returns the parts of a variable of the environment, empty ones left out."""
    parts = os.environ.get(variable, "").split(separator)
    return [part.strip() for part in parts if part.strip()]


def _nowhere(entry: EntryPoint) -> Problem:
    origin = origin_of(entry)
    return Problem(
        "plugin.nowhere",
        f"plugin `{origin.plugin}` ({origin.distribution})",
        "an entry point that names a module, or something in one",
        f"`{entry.value}`, which isn't there",
        f"mend the distribution's entry point and install it anew, or {how_to_leave_out(origin)}",
    )
