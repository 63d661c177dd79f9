"""Feature extraction."""

from __future__ import annotations

from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook_plugins.strategies.feature_extraction.plugin import FeatureExtractionConfig


class FeatureExtraction:
    """Freezes the backbone and lets the loop train on cached features."""

    def __init__(self, config: FeatureExtractionConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        for name, parameter in model.named_parameters():
            parameter.requires_grad = context.is_head(name)
        return Prepared(model, context.groups(model), cache_features=True)
