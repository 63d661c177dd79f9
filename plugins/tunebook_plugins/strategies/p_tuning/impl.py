"""P-tuning through peft."""

from __future__ import annotations

import peft
from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook_plugins.peft_support import check_input, check_prompt, prompt_settings, wrap
from tunebook_plugins.strategies.p_tuning.plugin import PTuningConfig


class PTuning:
    """Puts a prompt before the input embeddings and learns the network that makes it."""

    def __init__(self, config: PTuningConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        check_input(model.backbone, "inputs_embeds", context)
        check_prompt(self.config.tokens, context)
        dimension = model.backbone.get_input_embeddings().embedding_dim
        config = peft.PromptEncoderConfig(
            **prompt_settings(model.backbone, self.config.tokens),
            token_dim=dimension,
            encoder_reparameterization_type=self.config.encoder.upper(),
            encoder_hidden_size=self.config.width or dimension,
        )
        return wrap(model, config, context)
