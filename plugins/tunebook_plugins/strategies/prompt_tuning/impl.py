"""Prompt tuning through peft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
        known = context.tokenize(self.config.knowledge) if self.config.knowledge else []
        check_prompt(self.config.tokens, context, known=len(known))
        embeddings = model.backbone.get_input_embeddings()
        words = self._words(model.backbone, context)
        config = peft.PromptTuningConfig(
            **prompt_settings(model.backbone, self.config.tokens + len(known)),
            token_dim=embeddings.embedding_dim,
        )
        prepared = wrap(model, config, context)
        prompt = model.backbone.prompt_encoder["default"]
        prompt.embedding = rows = PromptRows(prompt.embedding, embeddings, known)
        if words is not None:
            with torch.no_grad():
                rows.learnt.copy_(embeddings(words.to(rows.learnt.device)))
        return replace(prepared, groups=context.groups(model))

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


class PromptRows(nn.Module):
    """The vectors of a prompt: learnt ones, and behind them those of words, which stay.

    Args:
        drawn: Start of all rows, learnt and known; peft's own.
        embeddings: The backbone's, where words are looked up.
        known: Token numbers of the words.
    """

    def __init__(self, drawn: nn.Embedding, embeddings: nn.Module, known: Sequence[int]) -> None:
        super().__init__()
        count = drawn.num_embeddings - len(known)
        self.learnt = nn.Parameter(drawn.weight.detach()[:count].clone())
        self.register_buffer("known", torch.tensor(known, dtype=torch.long), persistent=False)
        # in a tuple, for they are the backbone's parameters and not this module's
        self._embeddings = (embeddings,)

    @property
    def weight(self) -> torch.Tensor:
        """All rows, shape (rows, width)."""
        return torch.cat([self.learnt, self._embeddings[0](self.known)])

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Returns the vectors of row numbers."""
        return nn.functional.embedding(rows, self.weight)
