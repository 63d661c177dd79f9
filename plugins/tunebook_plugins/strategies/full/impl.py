"""Full fine-tuning."""

from __future__ import annotations

from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook_plugins.native import save_backbone
from tunebook_plugins.strategies.full.plugin import FullConfig


class Full:
    """Makes everything trainable, but for the lookup tables when they are to stay."""

    def __init__(self, config: FullConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        freeze_embeddings = self.config.embeddings == "freeze"
        for name, parameter in model.named_parameters():
            parameter.requires_grad = not (freeze_embeddings and context.is_embedding(name))

        return Prepared(model, context.groups(model), export=save_backbone(model))
