"""Plugins that no distribution holds, on their way to other processes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from tunebook.discovery import SESSION
from tunebook.errors import ConfigError, MachineError, Problem
from tunebook.host import PluginHost
from tunebook.loose import LoosePlugin
from tunebook.records import write_atomically, write_problem
from tunebook.specs import KINDS, Origin


def keep_sources(plugins: Iterable[LoosePlugin], folder: Path) -> list[Path]:
    """Writes the source of plugins that have any into a folder; returns the files.

    Raises:
        MachineError: It cannot be written to.
    """
    files = []
    for plugin in plugins:
        if plugin.source:
            file = folder / plugin.file_name
            if not (file.is_file() and file.read_bytes() == plugin.source):
                _make(folder)
                write_atomically(file, plugin.source)
            files.append(file)
    return files


def made_here(host: PluginHost) -> list[LoosePlugin]:
    """Returns the plugins that were made in this session."""
    return [each for origin, each in host.loose.items() if origin.distribution == SESSION]


def files_for(host: PluginHost, folder: Path, files: Iterable[str | Path] = ()) -> list[Path]:
    """Returns the files from which another process has the plugins that no distribution holds.

    Args:
        host: Plugins of this process; its single files stay where they are.
        folder: Where `keep_sources` writes what was made in this session.
        files: Single files that are wanted beside those of the host.
    """
    there = [origin.distribution for origin in host.loose if origin.distribution != SESSION]
    given = dict.fromkeys(Path(file).resolve() for file in (*files, *there))
    return [*given, *(folder / each.file_name for each in made_here(host) if each.source)]


def check_shippable(host: PluginHost) -> None:
    """Tries the source of what was made in this session by itself.

    Raises:
        ConfigError: Something has no source, or none that works alone.
    """
    made = [(o, each) for o, each in host.loose.items() if o.distribution == SESSION]
    if made:
        with TemporaryDirectory(prefix="tunebook-") as place:
            found = [each.problem or _not_alone(host, o, each, Path(place)) for o, each in made]
        problems = [problem for problem in found if problem]
        if problems:
            raise ConfigError(*problems)


def _not_alone(
    host: PluginHost, origin: Origin, plugin: LoosePlugin, place: Path
) -> Problem | None:
    """Returns what is wrong with the source of a plugin that was made in this session, if anything.

    In here it works, but perhaps by something that the cells don't define.
    """
    (file,) = keep_sources([plugin], place)
    with warnings.catch_warnings(action="ignore"):
        alone = PluginHost(discover=False, files=[file])
    broken = [each.problem for each in alone.broken if each.origin.plugin == plugin.stem]
    if broken:
        return _incomplete(origin, broken[0].found)
    for kind, (hook, _) in KINDS.items():
        own = {name for name in host.names(kind) if host.origin(kind, name) == origin}
        lost = sorted(own - {*alone.names(kind)}) if hook else []
        if lost:
            return _incomplete(origin, f"it no longer describes the {kind} `{lost[0]}`")
    return None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(write_problem(folder, error)) from error


def _incomplete(origin: Origin, found: str) -> Problem:
    return Problem(
        "plugin.not_shippable",
        f"plugin `{origin.plugin}` ({origin.distribution})",
        "definitions that work in another process as they do in this one",
        found,
        "define all that it uses in cells, imports included, or write it into a file",
    )
