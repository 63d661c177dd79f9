"""Replaces the head of the classifier; whatever begins with ``head.`` is a head to tunebook."""

from __future__ import annotations

import math

import torch
from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook_cosine.plugin import CosineHeadConfig


class CosineHead(nn.Module):
    """Maps text vectors (n, h) to the scaled cosines with k class vectors: (n, k).

    Args:
        linear: The layer that it replaces; its weights are the first class vectors, so that a
            head which was fitted beforehand (`head.init: probe`) isn't lost.
        dropout: What is applied to text vectors.
        scale: First value of the factor.
    """

    def __init__(self, linear: nn.Linear, dropout: nn.Module, scale: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.weight = nn.Parameter(linear.weight.detach().clone())
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        texts = nn.functional.normalize(self.dropout(features), dim=-1)
        classes = nn.functional.normalize(self.weight, dim=-1)
        return self.log_scale.exp() * texts @ classes.T


class CosineHeadStrategy:
    """Says what may learn beside the new head."""

    def __init__(self, config: CosineHeadConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        head = model.head
        model.head = CosineHead(head.linear, head.dropout, self.config.scale).to(
            head.linear.weight.device
        )
        for name, parameter in model.named_parameters():
            parameter.requires_grad = self.config.train_backbone or context.is_head(name)
        return Prepared(
            model,
            context.groups(model),
            cache_features=not self.config.train_backbone,
        )
