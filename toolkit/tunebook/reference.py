"""What there is to know about a plugin or a case, in words and rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_origin

from pydantic import BaseModel

from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.field_types import type_in_words
from tunebook.host import PluginHost
from tunebook.schema import PLUGIN_FIELDS, models_in
from tunebook.specs import (
    FAMILIES,
    FORMS,
    BuiltDescriptor,
    MetricPlugin,
    ObserverPlugin,
    StrategyPlugin,
    Tags,
)

WORDS: Mapping[str, str] = {
    "encoder": "encoders",
    "decoder": "decoders",
    "encoder_decoder": "encoder-decoders",
    "linear": "a linear head",
    "label_words": "label words",
}
"""By family of models and form of head, what it is called."""


def field_rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yields (key, type, default, description) of every field, nested sections included."""
    for name, field in model.model_fields.items():
        nested = models_in(field.annotation)
        key = f"{prefix}{name}"
        if len(nested) == 1 and get_origin(field.annotation) is not tuple:
            named = ".NAME" if get_origin(field.annotation) is dict else ""
            yield from field_rows(nested[0], f"{key}{named}.")
            continue
        default = "required" if field.is_required() else json.dumps(_plain(field.default))
        yield key, type_in_words(field), default, field.description or ""


def reference(host: PluginHost, name: str) -> dict[str, Any]:
    """Returns what there is to know about a plugin, or about ``case``: its summary and fields.

    Args:
        host: Plugins to look among.
        name: Name of a plugin, ``KIND:NAME`` where two kinds share it, or ``case``.

    Raises:
        ConfigError: There is nothing of that name, or more than one thing.
    """
    if name == "case":
        rows = [*field_rows(CaseConfig)]
        return {"name": "case", "kind": "case", "summary": CaseConfig.__doc__, "fields": rows}
    kind, name = _find(host, name)
    descriptor = host.get(kind, name)
    origin = host.origin(kind, name)
    content: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "summary": descriptor.summary,
        "distribution": f"{origin.distribution} {origin.version}".strip(),
    }
    if isinstance(descriptor, BuiltDescriptor):
        content["about"] = (descriptor.config.__doc__ or "").strip()
        content["fields"] = [row for row in field_rows(descriptor.config) if row[0] != "kind"]
        content["install"] = descriptor.install
    if isinstance(descriptor, StrategyPlugin):
        content |= _about_strategy(descriptor)
    if isinstance(descriptor, MetricPlugin):
        scores = [score for task in descriptor.tasks for score in descriptor.scores_of(task)]
        content |= {"scores": list(dict.fromkeys(scores)), "tasks": list(descriptor.tasks)}
    if isinstance(descriptor, ObserverPlugin):
        content["hooks"] = list(descriptor.hooks)
    if getattr(descriptor, "card", None):
        content["card"] = vars(descriptor.card)
    return content


def where_it_works(tags: Tags) -> str:
    """Returns the families, forms and tasks that the tags of a strategy allow, as one line."""
    families = [WORDS[name] for name in FAMILIES if name in tags.families]
    forms = [WORDS[name] for name in FORMS if name in tags.forms]
    rest = [] if "*" in tags.architectures else [f"only {_some([*tags.architectures])}"]
    rest += [f"not {_some([*tags.unsuited])}"] if tags.unsuited else []
    where = f"{_listed(families)}, with {' or '.join(forms)}"
    tasks = _listed(tags.tasks) + ("" if tags.multitask else ", one task at a time")
    return "; ".join([where, *rest, tasks])


def _about_strategy(descriptor: StrategyPlugin) -> dict[str, Any]:
    tags = descriptor.tags
    return {
        "when": descriptor.when,
        "cost": descriptor.cost,
        "where": where_it_works(tags),
        "paper": descriptor.paper,
        "tags": asdict(tags),
        "training": dict(descriptor.training),
    }


def _some(names: Sequence[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _listed(words: Sequence[str]) -> str:
    """Returns ``a``, ``a and b`` or ``a, b and c``."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def _find(host: PluginHost, name: str) -> tuple[str, str]:
    """Returns the kind and the name that `name` means."""
    there = [(kind, each) for kind in _kinds() for each in host.names(kind)]
    matches = [(kind, each) for kind, each in there if name in (each, f"{kind}:{each}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        found = " and ".join(f"a {kind}" for kind, _ in matches)
        fix = " or ".join(f"`{kind}:{each}`" for kind, each in matches)
        raise ConfigError(
            Problem("plugin.ambiguous", "describe", "one plugin", found, f"write {fix}")
        )
    choices = sorted({each for _, each in there} | {"case"})
    raise ConfigError(
        Problem(
            "plugin.unknown",
            "describe",
            "the name of a plugin or `case`",
            f"`{name}`",
            did_you_mean(name, choices),
        )
    )


def _kinds() -> list[str]:
    return [*dict(PLUGIN_FIELDS.values()), "executor", "case", "observer"]


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
