"""LoRA through peft."""

from __future__ import annotations

from pathlib import Path

import peft
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as ATTENTION
from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook_plugins.strategies.lora.plugin import LoraConfig


class Lora:
    """Wraps the backbone; its pretrained weights are frozen by peft."""

    def __init__(self, config: LoraConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        config = peft.LoraConfig(
            r=self.config.r,
            lora_alpha=self.config.alpha,
            lora_dropout=self.config.dropout,
            target_modules=self._targets(model.backbone, context.architecture),
            bias=self.config.bias,
        )
        backbone = peft.get_peft_model(model.backbone, config)
        model.backbone = backbone

        def export(folder: Path) -> None:
            backbone.save_pretrained(str(folder))

        return Prepared(model, context.groups(model), export=export)

    def _targets(self, backbone: nn.Module, architecture: str) -> str | list[str]:
        if self.config.targets == "all":
            return "all-linear"
        if self.config.targets == "attention":
            if architecture not in ATTENTION:
                raise ConfigError(_no_default(architecture, _endings(backbone)))
            return list(ATTENTION[architecture])
        endings = _endings(backbone)
        unknown = [name for name in self.config.targets if name.split(".")[-1] not in endings]
        if unknown:
            raise ConfigError(*(_unknown_target(name, endings) for name in unknown))
        return list(self.config.targets)


def _endings(backbone: nn.Module) -> list[str]:
    """Returns the last parts of the names of all layers that hold a matrix."""
    return sorted(
        {
            name.split(".")[-1]
            for name, module in backbone.named_modules()
            if getattr(module, "weight", None) is not None and module.weight.ndim == 2
        }
    )


def _unknown_target(name: str, endings: list[str]) -> Problem:
    return Problem(
        "strategy.target",
        "strategy.targets",
        "ends of module names of the backbone",
        f"`{name}`",
        did_you_mean(name, endings),
    )


def _no_default(architecture: str, endings: list[str]) -> Problem:
    return Problem(
        "strategy.target",
        "strategy.targets",
        "an architecture in peft's table of attention matrices",
        f"`{architecture}`",
        f"write `all`, or name some of: {', '.join(endings)}",
    )
