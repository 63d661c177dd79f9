"""Bottleneck adapters through the adapters library."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adapters
from adapters import AdapterTrainer
from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.strategies.adapter.plugin import AdapterConfig

CONFIGS = {
    "seq_bn": adapters.SeqBnConfig,
    "double_seq_bn": adapters.DoubleSeqBnConfig,
    "par_bn": adapters.ParBnConfig,
}


class Adapter:
    """Adds one adapter to the backbone and activates it; the library freezes the rest."""

    def __init__(self, config: AdapterConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        backbone, name = model.backbone, self.config.name
        method = CONFIGS[self.config.method](reduction_factor=self.config.reduction_factor)
        try:
            adapters.init(backbone)
        except ValueError as error:
            raise ConfigError(_unsupported(context.architecture, error)) from error
        with _without_false_alarm():
            backbone.add_adapter(name, config=method)
            backbone.train_adapter(name)

        def export(folder: Path) -> None:
            backbone.save_adapter(str(folder), name)

        return Prepared(model, context.groups(model), trainer=BackboneAdapterTrainer, export=export)


class BackboneAdapterTrainer(AdapterTrainer):
    """AdapterTrainer for a model whose backbone, not itself, holds the adapters.

    AdapterTrainer asks the model which adapters are active, and whether its weights are frozen.
    """

    def __init__(self, model: nn.Module, *args: object, **kwargs: object) -> None:
        model.active_adapters = model.backbone.active_adapters
        vars(model)["base_model"] = model.backbone  # not as a second submodule
        super().__init__(model, *args, **kwargs)

    train_adapter_fusion = False


@contextmanager
def _without_false_alarm() -> Iterator[None]:
    """Adding the first adapter makes the library warn that none is active yet."""
    logger = logging.getLogger("adapters.model_mixin")
    quiet = lambda record: "none are activated" not in record.getMessage()  # noqa: E731
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


def _unsupported(architecture: str, error: Exception) -> Problem:
    return Problem(
        "strategy.architecture",
        "strategy",
        "an architecture that the adapters library knows",
        f"`{architecture}`: {error}",
        "use `lora`, which works on any linear layer",
    )
