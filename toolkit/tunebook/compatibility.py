"""Whether a plugin is for this tunebook: what it declares of itself, checked at loading.

A module says ``api = 1`` and ``requires_tunebook = ">=0.1,<1"``; a distribution says the latter
among its dependencies, which is read before anything of it is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

from tunebook import __version__
from tunebook.discovery import how_to_leave_out, load_entry
from tunebook.errors import ConfigError, Problem
from tunebook.specs import API, Origin

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

DECLARED_API = re.compile(r"^api\s*(?::\s*int\s*)?=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


def load_compatible(entry: EntryPoint, origin: Origin) -> object:
    """Imports an installed plugin, unless its distribution wants another tunebook.

    Raises:
        ConfigError: It does.
    """
    for wanted in _required_by(entry, origin):
        if not _suits(wanted):
            raise ConfigError(_other_version(origin, str(wanted)))
    return load_entry(entry)


def incompatibility(plugin: object, origin: Origin) -> Problem | None:
    """Returns why a plugin that is loaded isn't for this tunebook, None where it is."""
    api = getattr(plugin, "api", API)
    if not isinstance(api, int) or isinstance(api, bool) or api < 1:
        return _misdeclared(origin, f"api = {API}", f"api = {api!r}")
    if api != API:
        return _other_api(origin, api)
    if not hasattr(plugin, "requires_tunebook"):
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    wanted = plugin.requires_tunebook
    try:
        suits = _suits(SpecifierSet(wanted))
    except (InvalidSpecifier, TypeError, AttributeError):
        found = f"requires_tunebook = {wanted!r}"
        return _misdeclared(origin, 'requires_tunebook = ">=0.1,<1"', found)
    return None if suits else _other_version(origin, wanted)


def later_api(error: Exception, origin: Origin) -> Problem | None:
    """Returns that a module is for a later api, where importing it has failed and it says so.

    Such a module mostly fails by importing what this tunebook doesn't have.
    """
    for frame, _ in walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if frame.f_code.co_name == "<module>" and file.is_file():
            declared = DECLARED_API.search(file.read_text(encoding="utf-8", errors="replace"))
            if declared and int(declared[1]) > API:
                return _other_api(origin, int(declared[1]))
    return None


def _required_by(entry: EntryPoint, origin: Origin) -> Iterator[SpecifierSet]:
    """Yields the versions of tunebook that an entry point's distribution says it needs."""
    dist = entry.dist
    if dist is None or origin.distribution == "tunebook":
        return
    lines = [line for line in dist.requires or () if line.casefold().startswith("tunebook")]
    if lines:
        from packaging.requirements import Requirement

        for requirement in map(Requirement, lines):
            unconditional = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if requirement.name.casefold() == "tunebook" and unconditional:
                yield requirement.specifier


def _suits(wanted: SpecifierSet) -> bool:
    return wanted.contains(__version__, prereleases=True)


def _where(origin: Origin) -> str:
    return f"plugin `{origin.plugin}` ({origin.distribution})"


def _other_api(origin: Origin, api: int) -> Problem:
    newer = api > API
    update = "update tunebook" if newer else "update the plugin"
    return Problem(
        "plugin.newer_api" if newer else "plugin.older_api",
        _where(origin),
        f"a plugin for api {API}, which tunebook {__version__} has",
        f"one for api {api}",
        f"{update}, or {how_to_leave_out(origin)}",
    )


def _other_version(origin: Origin, wanted: str) -> Problem:
    return Problem(
        "plugin.requires_tunebook",
        _where(origin),
        f"a plugin for tunebook {__version__}",
        f"one that needs tunebook {wanted}",
        f'pip install "tunebook{wanted}", take another version of the plugin, or '
        f"{how_to_leave_out(origin)}",
    )


def _misdeclared(origin: Origin, expected: str, found: str) -> Problem:
    fix = "mend the declaration; what only happens to bear that name wants another"
    return Problem("plugin.declaration", _where(origin), f"such as `{expected}`", found, fix)
