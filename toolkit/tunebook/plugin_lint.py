"""What is wrong with a plugin: everything that pluggy would pass over in silence."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from tunebook.config import PluginConfig
from tunebook.errors import ConfigError, Problem
from tunebook.specs import KINDS, PROJECT, BuiltDescriptor, Origin


def lint(plugin: object, origin: Origin) -> Iterator[Problem]:
    """Yields what pluggy would pass over in silence.

    A parameter with a default, or a keyword-only one, never receives its argument; a function
    named like a hook but not marked is never called.
    """
    where = f"plugin `{origin.plugin}` ({origin.distribution})"
    found_any = False
    for name, function in inspect.getmembers(plugin, inspect.isroutine):
        marked = getattr(function, f"{PROJECT}_impl", None) is not None
        found_any |= marked
        if name.startswith(f"{PROJECT}_") and not marked:
            yield Problem(
                "plugin.unmarked_hook",
                where,
                "@hookimpl above a hook",
                f"a bare `{name}`",
                f"put @hookimpl above `{name}`",
            )
        if marked:
            for parameter in inspect.signature(function).parameters.values():
                if parameter.default is not parameter.empty or parameter.kind in (
                    parameter.KEYWORD_ONLY,
                    parameter.VAR_KEYWORD,
                    parameter.VAR_POSITIONAL,
                ):
                    yield Problem(
                        "plugin.hook_parameter",
                        where,
                        "plain positional parameters",
                        f"`{parameter}` in `{name}`",
                        "remove the default or the star: pluggy would not pass this argument",
                    )
    if not found_any:
        yield Problem(
            "plugin.empty",
            where,
            "at least one @hookimpl",
            "none",
            "implement a hook such as tunebook_strategies",
        )


def check_descriptor(descriptor: object, kind: str, origin: Origin) -> Problem | None:
    """Returns what is wrong with a descriptor, if anything."""
    where = f"plugin `{origin.plugin}` ({origin.distribution})"
    expected = KINDS[kind][1]
    if not isinstance(descriptor, expected):
        return Problem(
            "plugin.descriptor",
            where,
            f"a {expected.__name__} from {KINDS[kind][0]}",
            repr(descriptor),
            f"return tunebook.specs.{expected.__name__}(...)",
        )
    if isinstance(descriptor, BuiltDescriptor):
        config = descriptor.config
        if not (isinstance(config, type) and issubclass(config, PluginConfig)):
            return Problem(
                "plugin.config",
                where,
                "a config derived from PluginConfig",
                repr(config),
                "derive it from tunebook.PluginConfig",
            )
        annotation = config.model_fields["kind"].annotation
        kinds = get_args(annotation) if get_origin(annotation) is Literal else ()
        if kinds != (descriptor.name,):
            return Problem(
                "plugin.config_kind",
                where,
                f'kind: Literal["{descriptor.name}"]',
                f"kind: {annotation}",
                f'write kind: Literal["{descriptor.name}"] = "{descriptor.name}"',
            )
    return None


def kind_of(descriptor: object, origin: Origin) -> str:
    """Returns the kind of a descriptor; raises ConfigError for anything else."""
    for kind, (hook, descriptor_class) in KINDS.items():
        if hook and isinstance(descriptor, descriptor_class):
            return kind
    raise ConfigError(
        Problem(
            "plugin.descriptor",
            f"plugin `{origin.plugin}`",
            "a descriptor of tunebook.specs",
            repr(descriptor),
            "pass a StrategyPlugin, MetricPlugin, …",
        )
    )
