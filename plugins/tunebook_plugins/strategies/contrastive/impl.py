"""Contrastive tuning, as SetFit does it: a stage of pairs, a fitted head, then the task stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from tunebook.contracts import ParamGroup, Prepared, Stage, StageRunner, StrategyContext
from tunebook_plugins.native import save_backbone
from tunebook_plugins.strategies.contrastive.pairs import PairInputs, draw_pairs
from tunebook_plugins.strategies.contrastive.plugin import ContrastiveConfig

Tensor = torch.Tensor
Loss = Callable[[Tensor, Tensor], Tensor]


class Contrastive:
    """Trains everything, embeddings perhaps aside: the encoder on pairs first, then all of it."""

    def __init__(self, config: ContrastiveConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        for name, parameter in model.named_parameters():
            frozen = context.is_embedding(name) and self.config.embeddings == "freeze"
            parameter.requires_grad = not frozen

        return Prepared(
            model,
            context.groups(model),
            export=save_backbone(model),
            before=partial(self._tune, model, self._encoder_groups(model, context)),
        )

    def _encoder_groups(self, model: nn.Module, context: StrategyContext) -> list[ParamGroup]:
        """Returns what learns from pairs, at the rate of that stage."""

        def group_of(name: str) -> tuple[str, float]:
            return "head" if context.is_head(name) else "encoder", self.config.learning_rate

        groups = context.groups(model, group_of)
        return [group for group in groups if group["name"].startswith("encoder")]

    def _tune(
        self, model: nn.Module, groups: list[ParamGroup], stages: StageRunner
    ) -> Mapping[str, Any]:
        """Tunes the encoder on pairs of training texts, and fits the head on what it has become."""
        texts = stages.train
        rng = np.random.default_rng(stages.seed)
        classes = texts.targets[texts.document]
        pairs = draw_pairs(classes, self.config.pairs_per_text, rng)
        about = stages.run(
            Stage(
                "contrastive",
                "strategy",
                Similarity(model, self._loss()),
                PairInputs(texts, texts.lengths, pairs),
                groups,
                {name: getattr(self.config, name) for name in SETTINGS},
            )
        )
        stages.fit_head(self.config.head_c)
        return {"contrastive": about | {"pairs": len(pairs.left)}}

    def _loss(self) -> Loss:
        return LOSSES[self.config.loss](self.config)


SETTINGS = ("epochs", "max_steps", "batch_size", "learning_rate", "warmup")


class Similarity(nn.Module):
    """Loss of a batch of pairs, by the cosines between the text vectors of a classifier."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, left: Tensor, right: Tensor, same: Tensor, **texts: Tensor) -> Tensor:
        """Returns the mean loss of p pairs.

        Args:
            left: Shape (p,), place of one text in the batch of texts.
            right: Shape (p,), place of the other.
            same: Shape (p,), whether both are of one class.
            texts: Token numbers and mask, (b, t).
        """
        vectors = nn.functional.normalize(self.model.encode(**texts).float(), dim=-1)
        return self.loss((vectors[left] * vectors[right]).sum(dim=-1), same)


def _cosine(config: ContrastiveConfig) -> Loss:  # noqa: ARG001 - one signature for all losses
    return lambda cosines, same: nn.functional.mse_loss(cosines, same.float())


def _margin(config: ContrastiveConfig) -> Loss:
    def loss(cosines: Tensor, same: Tensor) -> Tensor:
        apart = (cosines - config.margin).clamp(min=0)
        return torch.where(same, 1 - cosines, apart).square().mean()

    return loss


LOSSES: Mapping[str, Callable[[ContrastiveConfig], Loss]] = {"cosine": _cosine, "margin": _margin}
"""By `ContrastiveConfig.loss`, what makes the loss of cosines (p,) and of `same` (p,)."""
