"""Prompt tuning through peft."""

from __future__ import annotations

import peft
import torch
from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.peft_support import (
    check_input,
    check_prompt,
    draw_words,
    prompt_settings,
    wrap,
)
from tunebook_plugins.strategies.prompt_tuning.plugin import PromptTuningConfig


class PromptTuning:
    """Puts learnt vectors before the input embeddings; everything else is frozen."""

    def __init__(self, config: PromptTuningConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        check_input(model.backbone, "inputs_embeds", context)
        check_prompt(self.config.tokens, context)
        embeddings = model.backbone.get_input_embeddings()
        words = self._words(model.backbone, context)
        config = peft.PromptTuningConfig(
            **prompt_settings(model.backbone, self.config.tokens),
            token_dim=embeddings.embedding_dim,
        )
        prepared = wrap(model, config, context)
        if words is not None:
            prompt = model.backbone.prompt_encoder["default"].embedding.weight
            with torch.no_grad():
                prompt.copy_(embeddings(words.to(prompt.device)))
        return prepared

    def _words(self, backbone: nn.Module, context: StrategyContext) -> torch.Tensor | None:
        """Returns the token numbers that the prompt starts from, shape (tokens,)."""
        # a saved prompt is put back, whatever it started from
        if not context.training or self.config.init == "random":
            return None
        if self.config.init == "vocabulary":
            return draw_words(backbone, self.config.tokens)
        return self._words_of_text(context)

    def _words_of_text(self, context: StrategyContext) -> torch.Tensor:
        numbers = context.tokenize(self.config.text or "")
        tokens = self.config.tokens
        if not 0 < len(numbers) <= tokens:
            raise ConfigError(
                Problem(
                    "strategy.prompt_text",
                    "strategy.text",
                    f"1 to {tokens} tokens, which is strategy.tokens",
                    f"{len(numbers)} tokens",
                    f"set strategy.tokens={len(numbers)}" if numbers else "write some words",
                )
            )
        repeated = numbers * -(-tokens // len(numbers))
        return torch.tensor(repeated[:tokens])
