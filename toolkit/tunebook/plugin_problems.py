"""What can be wrong with plugins, in words."""

from __future__ import annotations

from tunebook.discovery import SESSION, how_to_leave_out
from tunebook.errors import Problem, did_you_mean
from tunebook.specs import KINDS, OBSERVERS, Origin


def named(origin: Origin) -> str:
    """Returns what errors call a plugin."""
    return f"plugin `{origin.plugin}` ({origin.distribution})"


def unknown_plugin(kind: str, name: str, names: list[str]) -> Problem:
    """Returns that no plugin of a kind has a name."""
    expected = f"the name of a {kind} plugin"
    return Problem(f"{kind}.unknown", kind, expected, f"`{name}`", did_you_mean(name, names))


def no_such_factory(where: str, factory: str) -> Problem:
    """Returns that the module of a factory has nothing of its name."""
    return Problem(
        "plugin.factory",
        where,
        "a factory `package.module:Name` that exists",
        factory,
        "mend the plugin's descriptor",
    )


def broken_module(origin: Origin, error: Exception) -> Problem:
    """Returns that a plugin's module raises when it is imported, or its hooks when called."""
    return Problem(
        "plugin.broken",
        named(origin),
        "a module that imports",
        repr(error),
        f"mend or uninstall it, or {how_to_leave_out(origin)}",
    )


def missing_package(where: str, found: str, install: str) -> Problem:
    """Returns that a package which a plugin needs isn't installed."""
    return Problem(
        "environment.missing_package",
        where,
        "its packages to be installed",
        f"missing: {found}",
        install or "install the missing package",
    )


def unknown_hook(origin: Origin, text: str) -> Problem:
    """Returns that tunebook has no hook of a name; `text` is pluggy's complaint."""
    hooks = [hook for hook, _ in KINDS.values() if hook] + list(OBSERVERS)
    name = text.split("'")[1] if text.count("'") >= 2 else text
    return Problem(
        "plugin.unknown_hook",
        named(origin),
        "hooks that tunebook has",
        text.splitlines()[0],
        did_you_mean(name, hooks),
    )


def duplicate(kind: str, name: str, first: Origin, second: Origin) -> Problem:
    """Returns that two plugins of a kind share a name."""
    return Problem(
        "plugin.duplicate",
        f"{kind} `{name}`",
        "one plugin of that name",
        f"one in {first.distribution} {first.version} ({first.plugin}) and one in "
        f"{second.distribution} {second.version} ({second.plugin})",
        _rid_of_one(first, second),
    )


def _rid_of_one(first: Origin, second: Origin) -> str:
    """Returns what to do about two plugins of one name, of which the second was loaded later.

    What isn't installed was loaded later and is the user's own.
    """
    if second.distribution == SESSION or second.distribution.endswith(".py"):
        return (
            f"give the plugin in {second.distribution} another name, or {how_to_leave_out(first)}"
        )
    return how_to_leave_out(second)


def same_module(path: str, other: str) -> Problem:
    """Returns that two different files would become one module."""
    return Problem(
        "plugin.file_name_taken",
        path,
        "single-file plugins with names that differ",
        f"another file of that name: {other}",
        "rename one of them",
    )


def already_there(origin: Origin) -> Problem:
    """Returns that something of this name was registered before."""
    return Problem(
        "plugin.registered_twice",
        named(origin),
        "plugins that differ, with names that differ",
        "it, or one of that name, was registered before",
        "give it another name, register(plugin, name=…), or begin with a new PluginHost()",
    )
