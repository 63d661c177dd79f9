"""VeRA through peft."""

from __future__ import annotations

import peft
from torch import nn
from transformers.pytorch_utils import Conv1D

from tunebook.contracts import Prepared, StrategyContext
from tunebook_vera.plugin import VeraConfig


class Vera:
    """Puts peft around the backbone, which freezes it; saving and loading are tunebook's."""

    def __init__(self, config: VeraConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        config = peft.VeraConfig(
            r=self.config.r,
            d_initial=self.config.initial,
            projection_prng_key=self.config.projection_seed,
            target_modules="all-linear",
            # GPT-2 keeps its matrices the other way round
            fan_in_fan_out=any(isinstance(part, Conv1D) for part in model.backbone.modules()),
        )
        backbone = model.backbone = peft.get_peft_model(model.backbone, config)
        export = lambda folder: backbone.save_pretrained(str(folder))  # noqa: E731
        return Prepared(model, context.groups(model), export=export)
