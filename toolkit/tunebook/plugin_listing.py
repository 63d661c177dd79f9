"""Plugins as `tunebook plugins` lists them."""

from __future__ import annotations

from dataclasses import dataclass

from tunebook.discovery import missing_modules
from tunebook.errors import Problem
from tunebook.specs import BuiltDescriptor, Descriptor, Origin


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


def info_about(kind: str, descriptor: Descriptor, origin: Origin) -> PluginInfo:
    """Returns the line of a plugin."""
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


def info_about_broken(broken: Broken) -> PluginInfo:
    """Returns the line of a plugin that was left out."""
    return PluginInfo(
        broken.origin.plugin,
        "broken",
        "",
        broken.origin.distribution,
        broken.origin.version,
        False,
        f"{broken.problem.found}; {broken.problem.fix}",
    )
