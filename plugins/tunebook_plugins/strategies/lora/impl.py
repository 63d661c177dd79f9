"""LoRA through peft."""

from __future__ import annotations

from collections.abc import Mapping

import peft
from torch import nn

from tunebook.contracts import GroupOf, Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.peft_support import (
    ATTENTION,
    check_targets,
    default_targets,
    is_transposed,
    layers_ending_with,
    linear,
    matrices,
    wrap,
)
from tunebook_plugins.strategies.lora.plugin import LoraConfig


class Lora:
    """Wraps the backbone; its pretrained weights are frozen by peft."""

    def __init__(self, config: LoraConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        targets = self._targets(model.backbone, context)
        layers = _layers(model.backbone, targets)
        self._check_rank(layers)
        config = peft.LoraConfig(
            r=self.config.r,
            lora_alpha=self.config.alpha,
            lora_dropout=self.config.dropout,
            target_modules=targets,
            bias=self.config.bias,
            use_rslora=self.config.rslora,
            use_dora=self.config.dora,
            fan_in_fan_out=is_transposed(layers),
        )
        group_of = self._group_of(context)
        return wrap(model, config, context, group_of, merge=self.config.merge)

    def _targets(self, backbone: nn.Module, context: StrategyContext) -> str | list[str]:
        if self.config.targets == "all":
            return "all-linear"
        if self.config.targets == "attention":
            return default_targets(ATTENTION, context, backbone, "write `all`, or name")
        return check_targets(self.config.targets, matrices(backbone))

    def _check_rank(self, layers: Mapping[str, nn.Module]) -> None:
        name, layer = min(layers.items(), key=lambda item: min(item[1].weight.shape))
        rows, columns = layer.weight.shape
        if self.config.r > min(rows, columns):
            raise ConfigError(
                Problem(
                    "strategy.rank",
                    "strategy.r",
                    f"at most {min(rows, columns)}: `{name}` is {rows} × {columns}",
                    str(self.config.r),
                    "lower the rank, or leave that layer out of `strategy.targets`",
                )
            )

    def _group_of(self, context: StrategyContext) -> GroupOf | None:
        ratio = self.config.plus_ratio
        if ratio is None:
            return None

        def group_of(name: str) -> tuple[str, float]:
            if context.is_head(name):
                return "head", context.head_learning_rate
            if "lora_B" in name or "lora_embedding_B" in name:
                return "B", context.learning_rate * ratio
            return "A", context.learning_rate

        return group_of


def _layers(backbone: nn.Module, targets: str | list[str]) -> dict[str, nn.Module]:
    if isinstance(targets, str):
        return linear(backbone)
    return layers_ending_with(matrices(backbone), targets)
