"""What every plugin promises: that it is light, described, and built from a config that lasts."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from tunebook.attempts import Executor
from tunebook.contracts import Augmenter, DataSource, Metric, ModelSource, Strategy
from tunebook.errors import TunebookError, shorten
from tunebook.plugin_lint import check_descriptor
from tunebook.reference import reference
from tunebook.schema import models_in
from tunebook.specs import Origin
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, CheckSkipped, built, check, demand

HEAVY = {"torch", "transformers", "tokenizers", "datasets", "peft", "adapters", "onnxruntime"}
HEAVY |= {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "seaborn"}
HEAVY |= {"tensorflow", "jax", "sentence_transformers"}
"""What only a factory may import."""

LONGEST_SUMMARY = 120
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "const", "enum"}
"""What JSON Schema calls bounds."""
PROTOCOLS = {
    "strategy": Strategy,
    "metric": Metric,
    "augmenter": Augmenter,
    "datasource": DataSource,
    "model": ModelSource,
    "executor": Executor,
}
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@check("any", builds=False)
def enough_checks_can_be_made(candidate: Candidate) -> None:
    """As many checks can be made as its kind has at least."""
    from tunebook.testing.registry import LEAST, checks_for

    obstacle = candidate.obstacle
    possible = [c for c in checks_for(candidate.descriptor) if not (c.builds and obstacle)]
    least = LEAST[candidate.kind]
    demand(
        len(possible) >= least,
        f"{len(possible)} of at least {least} can be made"
        + (f": it {obstacle}" if obstacle else ""),
        "give what is needed, or support a model that the kit has",
    )


@check("any", builds=False)
def summary_is_one_line(candidate: Candidate) -> None:
    """The summary is one line of at most 120 signs."""
    summary = candidate.descriptor.summary
    demand(
        summary.strip() and len(summary.splitlines()) == 1 and len(summary) <= LONGEST_SUMMARY,
        f"the summary is {shorten(summary)}, {len(summary)} signs",
        "say in one line what it does",
    )


@check("any", builds=False)
def it_can_be_described(candidate: Candidate) -> None:
    """`tunebook describe` can show the plugin and its settings, as text and as JSON."""
    try:
        json.dumps(reference(candidate.host, str(candidate)))
    except (TypeError, ValueError) as error:
        raise CheckFailed(
            f"describing it ends with {error!r}", "give its fields defaults in JSON types"
        ) from error


@check("any", cost="slow", builds=False)
def its_module_is_light(candidate: Candidate) -> None:
    """Loading the plugin imports nothing heavy, not even what it requires."""
    from tunebook.testing import fresh

    if candidate.of_cells:
        raise CheckSkipped("cells of a notebook import what they like")
    imported = {name.partition(".")[0] for name in fresh.call("imported", candidate.source)}
    requires = getattr(candidate.descriptor, "requires", ())
    heavy = imported & (HEAVY | {name.partition(".")[0] for name in requires})
    demand(
        not heavy,
        f"loading it imports {', '.join(sorted(heavy))}",
        "import that in the module of the factory, which is imported on first use",
    )


@check("any", builds=False, applies=built)
def kind_is_the_name(candidate: Candidate) -> None:
    """The config's `kind` is a Literal of the plugin's name."""
    problem = check_descriptor(candidate.descriptor, candidate.kind, Origin("check", "session", ""))
    if problem:
        raise CheckFailed(f"found {problem.found}", problem.fix)


@check("any", builds=False, applies=built)
def every_field_is_described(candidate: Candidate) -> None:
    """Every field of the config says what it is."""
    silent = [name for name in _silent(candidate.descriptor.config) if name != "kind"]
    demand(
        not silent,
        f"nothing about {', '.join(silent)}",
        'write Field(…, description="…"): forms, options and the reference are made of it',
    )


@check("any", builds=False, applies=built)
def every_number_has_a_bound(candidate: Candidate) -> None:
    """Every number of the config has a least or a largest value."""
    # what has no schema is told by another check
    with suppress(PydanticInvalidForJsonSchema):
        fields = candidate.descriptor.config.model_json_schema()["properties"]
        free = [name for name, schema in fields.items() if _is_unbounded(schema)]
        demand(not free, f"no bound for {', '.join(free)}", "write Field(…, ge=…, le=…)")


@check("any", builds=False, applies=built)
def config_is_frozen_and_closed(candidate: Candidate) -> None:
    """The config refuses keys it doesn't know, and cannot be changed once it is made."""
    options = candidate.descriptor.config.model_config
    demand(
        options.get("extra") == "forbid" and options.get("frozen") is True,
        f"extra={options.get('extra')!r}, frozen={options.get('frozen')!r}",
        "leave the model_config that PluginConfig has",
    )


@check("any", builds=False, applies=built)
def config_has_a_json_schema(candidate: Candidate) -> None:
    """The config has a JSON Schema, of which the case's schema is made."""
    try:
        json.dumps(candidate.descriptor.config.model_json_schema())
    except Exception as error:  # pydantic has several that share no class
        found = f"{type(error).__name__}: {error}"
        raise CheckFailed(found, "use types that JSON Schema has words for") from error


@check("any", builds=False, applies=built)
def requirements_say_what_to_install(candidate: Candidate) -> None:
    """`requires` names modules, and `install` says what to type when they are missing."""
    requires, install = candidate.descriptor.requires, candidate.descriptor.install
    wrong = [name for name in requires if not MODULE.fullmatch(name)]
    demand(not wrong, f"no modules: {', '.join(wrong)}", "name what is imported, not packages")
    demand(
        bool(requires) == bool(install.strip()),
        f"requires={requires!r}, install={install!r}",
        "give both or neither",
    )


@check("any", applies=built)
def config_survives_json(candidate: Candidate) -> None:
    """Saved in a case and read again, the config is valid, defaults included, and the same."""
    config = candidate.config()
    try:
        again = type(config).model_validate_json(config.model_dump_json(), strict=True)
    except ValidationError as error:  # pydantic doesn't look at defaults before
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise CheckFailed("; ".join(wrong), "change the default, its bound or its type") from error
    demand(again == config, f"{again!r} from {config!r}", "use types that JSON can carry")


@check("any", applies=built)
def global_generators_are_left_alone(candidate: Candidate) -> None:
    """Making the config and the plugin's object draws no global random number and seeds nothing."""
    import tunebook.runner  # noqa: F401 - libraries draw when imported, before a run is seeded
    from tunebook.testing.generators import untouched_generators

    # what cannot be made at all is told by the next check
    with untouched_generators("making it"), suppress(TunebookError):
        candidate.create()


@check("any", applies=built)
def factory_makes_what_the_kind_promises(candidate: Candidate) -> None:
    """The factory can be imported and makes an object with the methods of its kind."""
    protocol = PROTOCOLS[candidate.kind]
    try:
        made = candidate.create()
    except TunebookError as error:
        raise CheckFailed(error.problems[0].found, error.problems[0].fix) from error
    demand(
        all(_has(made, name) for name in vars(protocol) if not name.startswith("_")),
        f"{candidate.descriptor.factory} makes a {type(made).__name__}",
        f"give it the methods of {protocol.__module__}.{protocol.__name__}",
    )


def _has(made: object, name: str) -> bool:
    """Whether `made` has an attribute, found out without asking for it, which may start things."""
    return inspect.getattr_static(made, name, None) is not None


def _is_unbounded(schema: Any) -> bool:
    """Whether a part of a JSON Schema is a number that can be anything."""
    if isinstance(schema, dict):
        number = schema.get("type") in ("integer", "number")
        return (number and not BOUNDS & schema.keys()) or _is_unbounded([*schema.values()])
    return isinstance(schema, list) and any(map(_is_unbounded, schema))


def _silent(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yields the fields, those of nested sections included, that have no description."""
    for name, field in model.model_fields.items():
        if not field.description:
            yield f"{prefix}{name}"
        for section in models_in(field.annotation):
            yield from _silent(section, f"{prefix}{name}.")
