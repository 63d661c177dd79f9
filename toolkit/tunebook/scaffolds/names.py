"""Names of what is about to be made: well spelt, and not those of something else."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
import unicodedata
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, entry_points

from tunebook.discovery import ENTRY_POINT_GROUP
from tunebook.errors import Problem, shorten
from tunebook.host import PluginHost
from tunebook.scaffolds.templates import Template


def misspelt(template: Template, name: str) -> Iterator[Problem]:
    """Yields what is wrong with a name as the template wants names to be."""
    objection = template.objection("name", name)
    if objection:
        better = _respelt(name)
        useless = template.objection("name", better) or keyword.iskeyword(better)
        fix = objection if useless else f"write `{better}`"
        yield Problem("name.form", "NAME", "a name such as `my_name`", shorten(name, 60), fix)


def taken(name: str, host: PluginHost, *, package: bool) -> Iterator[Problem]:
    """Yields what has the name already.

    Args:
        name: A name that is well spelt.
        host: Plugins.
        package: Whether a Python package will have the name as well.
    """
    owners = [
        ("name.plugin", f"the {each.kind} of that name in {each.distribution}")
        for each in host.listing()
        if each.name == name and each.kind != "broken"
    ]
    if package:
        # an installed plugin and its package are one thing to a person
        owners = owners or [*_packages(name)]
    for code, owner in owners:
        expected, fix = "a name that nothing else has", f"write such as `my_{name}`"
        yield Problem(code, "NAME", expected, f"`{name}`: {owner}", fix)


def _packages(name: str) -> Iterator[tuple[str, str]]:
    """Yields what Python, or somebody's package, means by a name; nothing is imported."""
    if keyword.iskeyword(name):
        yield "name.keyword", "a keyword of Python"
    elif name in sys.stdlib_module_names:
        yield "name.standard_library", "a module of the standard library"
    elif owner := _entry_point(name) or _distribution(name) or _module(name):
        yield "name.installed", owner


def _entry_point(name: str) -> str:
    found = [entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name == name]
    return f"the entry point {found[0].value}" if found else ""


def _distribution(name: str) -> str:
    try:
        found = distribution(name)  # `my_name` finds `my-name`, too
    except PackageNotFoundError:
        return ""
    return f"the installed distribution {found.name} {found.version}"


def _module(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # it is loaded, and has lost its spec
        return f"the module {name}"
    # a mere folder, such as one in the working directory, has no origin
    return f"the module {spec.origin}" if spec is not None and spec.origin else ""


def _respelt(name: str) -> str:
    """Returns the nearest text of small letters, digits and single underscores."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
