"""The `Average` block of the adapters library around new adapters."""

from __future__ import annotations

import adapters
from adapters.composition import Average
from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_averaged.plugin import AveragedConfig


class Averaged:
    """Adds the members and activates their average; the library freezes the rest."""

    def __init__(self, config: AveragedConfig) -> None:
        self.config = config
        self.names = [f"member_{number}" for number in range(config.members)]

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        backbone = model.backbone
        try:
            adapters.init(backbone)
        except ValueError as error:
            raise ConfigError(_unsupported(context.architecture, error)) from error
        made = adapters.SeqBnConfig(reduction_factor=self.config.reduction_factor)
        for name in self.names:
            backbone.add_adapter(name, config=made)
        backbone.train_adapter(Average(*self.names))
        return Prepared(model, context.groups(model))


def _unsupported(architecture: str, error: Exception) -> Problem:
    return Problem(
        "strategy.architecture",
        "strategy",
        "an architecture that the adapters library knows",
        f"`{architecture}`: {error}",
        "use `lora`, which works on any linear layer",
    )
