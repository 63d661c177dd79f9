"""The adapters library on a backbone, and a new adapter's config, checked against it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import adapters
from torch import nn

from tunebook.contracts import StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.strategies.adapter.methods import METHODS
from tunebook_plugins.strategies.adapter.plugin import AdapterConfig


def init_library(backbone: nn.Module, context: StrategyContext) -> None:
    """Makes a backbone able to hold adapters; once is enough, and twice does no harm.

    Raises:
        ConfigError: The library doesn't know the architecture.
    """
    try:
        adapters.init(backbone)
    except ValueError as error:
        raise ConfigError(_unsupported(context.architecture, error)) from error


@contextmanager
def without_false_alarm() -> Iterator[None]:
    """Adding the first adapter makes the library warn that none is active yet."""
    logger = logging.getLogger("adapters.model_mixin")
    quiet = lambda record: "none are activated" not in record.getMessage()  # noqa: E731
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


def method_config(
    config: AdapterConfig, backbone: nn.Module, context: StrategyContext
) -> adapters.AdapterConfig:
    """Returns what the library makes the adapter from.

    Raises:
        ConfigError: With everything that doesn't fit the backbone.
    """
    method = METHODS[config.method]
    given = {name: getattr(config, name) for name in method.options}
    options = {name: value for name, value in given.items() if value is not None}
    made = getattr(adapters, method.config)(leave_out=[*range(config.drop_layers)], **options)
    width = int(backbone.config.hidden_size)
    problems = [
        *_no_layer_left(config.drop_layers, context.layers),
        *_rank_above(made, width),
        *_indivisible(made, width),
        *_prefix_too_long(made, context.free_positions),
        *_reserved(config.name),
    ]
    if problems:
        raise ConfigError(*problems)
    return made


def _no_layer_left(dropped: int, layers: int) -> Iterator[Problem]:
    if dropped >= layers:
        yield Problem(
            "strategy.drop_layers",
            "strategy.drop_layers",
            f"at most {layers - 1}: the model has {layers} layers",
            str(dropped),
            "lower it, so that a layer is left to learn",
        )


def _rank_above(made: Any, width: int) -> Iterator[Problem]:
    if made.get("architecture") == "lora" and made["r"] > width:
        yield Problem(
            "strategy.rank",
            "strategy.r",
            f"at most {width}, the width of the model",
            str(made["r"]),
            "lower the rank",
        )


def _indivisible(made: Any, width: int) -> Iterator[Problem]:
    """Kronecker products are made of `phm_dim` parts."""
    if not made.get("phm_layer"):
        return
    parts, bottleneck = made["phm_dim"], int(width // made["reduction_factor"])
    if width % parts or bottleneck % parts or not bottleneck:
        fitting = [f for f in (2, 4, 8, 16, 32, 64) if width // f and not (width // f) % parts]
        yield Problem(
            "strategy.reduction_factor",
            "strategy.reduction_factor",
            f"a bottleneck that `compacter` can cut in {parts} parts, of a model {width} wide",
            f"{made['reduction_factor']:g}, which makes it {bottleneck} wide",
            f"write one of {', '.join(map(str, fitting))}" if fitting else "use another method",
        )


def _prefix_too_long(made: Any, free: int | None) -> Iterator[Problem]:
    """Some models, such as GPT-2, count the keys of a prefix among the positions they know."""
    length = made["prefix_length"] if made.get("architecture") == "prefix_tuning" else 0
    if free is not None and length > free:
        yield Problem(
            "strategy.prompt_too_long",
            "strategy.prefix_length",
            f"at most {free}, which text.max_tokens leaves free in the model's window",
            str(length),
            f"lower it, or lower text.max_tokens by {length - free}",
        )


def _reserved(name: str) -> Iterator[Problem]:
    """Adapters are items of a ModuleDict, which doesn't take the names of its own methods."""
    if hasattr(nn.ModuleDict(), name):
        yield Problem(
            "strategy.name",
            "strategy.name",
            "a name that torch's ModuleDict doesn't use itself",
            f"`{name}`",
            f"write such as `my_{name}`",
        )


def _unsupported(architecture: str, error: Exception) -> Problem:
    return Problem(
        "strategy.architecture",
        "strategy",
        "an architecture that the adapters library knows",
        f"`{architecture}`: {error}",
        "use `lora`, which works on any linear layer",
    )
