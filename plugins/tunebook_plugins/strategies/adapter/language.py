"""A language adapter: learnt by guessing words of texts, then frozen below the task's adapter.

MAD-X, Pfeiffer et al. 2020, arXiv:2005.00052.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import adapters
from torch import Tensor, nn

from tunebook.contracts import StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.strategies.adapter.making import method_config, without_false_alarm
from tunebook_plugins.strategies.adapter.plugin import AdapterConfig, OtherAdapter

METHOD, REDUCTION_FACTOR = "seq_bn_inv", 2.0
"""What MAD-X takes."""


def language_config(
    given: OtherAdapter, name: str, backbone: nn.Module, context: StrategyContext
) -> adapters.AdapterConfig:
    """Returns what the library makes a language adapter from.

    Raises:
        ConfigError: With everything that doesn't fit the backbone.
    """
    config = AdapterConfig(
        method=given.method or METHOD,
        name=name,
        reduction_factor=given.reduction_factor or REDUCTION_FACTOR,
    )
    return method_config(config, backbone, context)


@contextmanager
def language_stage(
    name: str, config: adapters.AdapterConfig, backbone: nn.Module, language_model: nn.Module
) -> Iterator[None]:
    """Adds an adapter, of which alone the backbone learns inside the block.

    An invertible part is undone before the output layer, whose weights are the embeddings that it
    stands behind.
    """
    with without_false_alarm():
        backbone.add_adapter(name, config=config)
        backbone.train_adapter(name)
    undo = getattr(backbone.base_model, "invertible_adapters_forward", None)

    def before_output(_layer: nn.Module, arguments: tuple[Tensor, ...]) -> Any:
        return arguments if undo is None else (undo(arguments[0], rev=True), *arguments[1:])

    output = language_model.get_output_embeddings()
    handle = output.register_forward_pre_hook(before_output) if output is not None else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def check_learnt(names: Sequence[str], backbone: nn.Module) -> None:
    """Refuses to go on with a language adapter that no pretraining has put into the backbone.

    Raises:
        ConfigError: One is missing.
    """
    there = [*getattr(backbone, "adapters_config", ())]
    missing = [name for name in names if name not in there]
    if missing:
        raise ConfigError(
            Problem(
                "adapter.not_learnt",
                f"strategy.adapters.{missing[0]}",
                "an adapter that pretraining has trained before the task stage",
                "none in the model",
                "run the case with pretraining.method=adapter, or name a run",
            )
        )
