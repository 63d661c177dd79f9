"""Rates that fall layer by layer."""

from __future__ import annotations

from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook_plugins.native import save_backbone
from tunebook_plugins.strategies.layerwise_decay.plugin import LayerwiseDecayConfig


class LayerwiseDecay:
    """Of n layers, depth d learns at learning_rate · decay^(n + 1 - d); embeddings are depth 0."""

    def __init__(self, config: LayerwiseDecayConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        model.requires_grad_(True)

        groups = context.groups(model, context.by_depth(self.config.decay))
        return Prepared(model, groups, export=save_backbone(model))
