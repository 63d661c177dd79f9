"""Plugins that no distribution holds: single files, and what was made in a session.

Another process gets them as source. What was made in a session has no file of its own: its source
is put together from the cells that defined it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import isfunction
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from tunebook.config import PluginConfig
from tunebook.definitions import cells_of, definitions_of, undefined_in
from tunebook.discovery import module_name
from tunebook.errors import Problem
from tunebook.sources import content_sha256
from tunebook.specs import KINDS, PROJECT, BuiltDescriptor, Descriptor

MAIN = "__main__"
HEADER = "# Put together by tunebook from the cells or the file that defined this plugin."


@dataclass(frozen=True)
class LoosePlugin:
    """A plugin with its source.

    Attributes:
        stem: What its file is called.
        source: What another process loads; empty where there is a problem.
        problem: Why no other process can have it.
    """

    stem: str
    source: bytes
    problem: Problem | None = None

    @property
    def file_name(self) -> str:
        return f"{self.stem}.py"

    @property
    def module(self) -> str:
        """Name of its module, where it is loaded from a file."""
        return module_name(Path(self.file_name))

    @property
    def sha256(self) -> str:
        return content_sha256(self.source) if self.source else ""


def from_session(stem: str, plugin: object, found: Sequence[tuple[str, Descriptor]]) -> LoosePlugin:
    """Returns a plugin that was made in this process.

    Args:
        stem: What its file is to be called.
        plugin: The module or function with its hooks, None where there are descriptors only.
        found: Kinds and descriptors.
    """
    try:
        return LoosePlugin(stem, _source_of(plugin, found).encode("utf-8"))
    except (LookupError, OSError, ValueError, SyntaxError) as error:
        return LoosePlugin(stem, b"", _without_source(stem, str(error)))


def free_stem(name: str, taken: Iterable[LoosePlugin]) -> str:
    """Returns what the file of a plugin can be called beside those of others."""
    stem = re.sub(r"\W", "_", name) or "plugin"
    stems = {each.stem for each in taken}
    return next(s for n in count(1) if (s := stem if n == 1 else f"{stem}_{n}") not in stems)


def _source_of(plugin: object, found: Sequence[tuple[str, Descriptor]]) -> str:
    if isinstance(plugin, ModuleType) and plugin.__name__ != MAIN:
        return _text_of(plugin)
    needed = [*_hook_functions(plugin)]
    needed += [name for _, descriptor in found for name in _named_by(descriptor)]
    own = [name for module, name in needed if module == MAIN]
    nested = next((name for name in own if not name.isidentifier()), None)
    if nested:
        raise LookupError(f"`{nested}` is defined inside of a function or a class")
    others = [f"from {module} import {name}" for module, name in needed if module != MAIN]
    defined = definitions_of(own, cells_of(sys.modules[MAIN])) if own else ""
    hooks = [] if plugin is not None else [*_hooks(found)]
    parts = [HEADER, defined, *dict.fromkeys(others), *hooks]
    source = "\n\n".join(part.strip() for part in parts if part) + "\n"
    undefined = undefined_in(source)
    if undefined:
        raise LookupError(f"it uses `{undefined[0]}`, which no cell defines")
    return source


def _text_of(module: ModuleType) -> str:
    cells = cells_of(module)
    if hasattr(module, "__path__") or "." in module.__name__ or len(cells) != 1:
        raise LookupError(f"`{module.__name__}` is part of a package: install that")
    return cells[0]


def _hook_functions(plugin: object) -> Iterator[tuple[str, str]]:
    """Yields module and name of the functions that are hooks."""
    if isfunction(plugin):
        yield plugin.__module__, plugin.__qualname__
    elif isinstance(plugin, ModuleType):
        yield from ((MAIN, n) for n, f in vars(plugin).items() if hasattr(f, f"{PROJECT}_impl"))
    elif plugin is not None:
        raise LookupError("it is an object: write its hooks as functions, and register those")


def _named_by(descriptor: Descriptor) -> Iterator[tuple[str, str]]:
    """Yields module and name of what a descriptor names."""
    if isinstance(descriptor, BuiltDescriptor):
        yield descriptor.config.__module__, descriptor.config.__qualname__
        module, _, name = descriptor.factory.partition(":")
        if module == MAIN:
            yield module, name


def _hooks(found: Sequence[tuple[str, Descriptor]]) -> Iterator[str]:
    """Yields imports, and hooks that return descriptors like those that were added."""
    classes = sorted({type(descriptor).__name__ for _, descriptor in found})
    yield (
        "from pathlib import Path\n\nfrom tunebook.contracts import Card\n"
        f"from tunebook.specs import Tags, hookimpl, {', '.join(classes)}"
    )
    for hook in dict.fromkeys(KINDS[kind][0] for kind, _ in found):
        calls = [_call(descriptor) for kind, descriptor in found if KINDS[kind][0] == hook]
        yield "\n".join(["@hookimpl", f"def {hook}():", *(f"    yield {call}" for call in calls)])


def _call(descriptor: Descriptor) -> str:
    values = {each.name: getattr(descriptor, each.name) for each in fields(descriptor)}
    arguments = ", ".join(f"{name}={_written(name, value)}" for name, value in values.items())
    return f"{type(descriptor).__name__}({arguments})"


def _written(name: str, value: Any) -> str:
    """Returns a field of a descriptor as it is written in code."""
    if isinstance(value, type) and issubclass(value, PluginConfig):
        return value.__qualname__
    if name == "factory" and value.startswith(f"{MAIN}:"):
        return f'f"{{__name__}}:{value.removeprefix(f"{MAIN}:")}"'
    if isinstance(value, Path):
        return f"Path({str(value)!r})"
    return repr(dict(value) if isinstance(value, Mapping) else value)


def _without_source(stem: str, reason: str) -> Problem:
    return Problem(
        "plugin.not_shippable",
        f"plugin `{stem}` (session)",
        "a plugin that another process can load: a file, a distribution, or what the cells of a "
        "notebook define",
        reason,
        "write it into a file, and load that with --plugin or PluginHost(files=[…])",
    )
