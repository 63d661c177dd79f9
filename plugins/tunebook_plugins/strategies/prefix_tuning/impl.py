"""Prefix tuning through peft."""

from __future__ import annotations

import peft
import torch
from torch import nn
from transformers import DynamicCache

from tunebook.contracts import Prepared, StrategyContext
from tunebook_plugins.peft_support import (
    check_input,
    check_prompt,
    draw_words,
    prompt_settings,
    wrap,
)
from tunebook_plugins.strategies.prefix_tuning.plugin import PrefixTuningConfig


class PrefixTuning:
    """Gives every attention layer learnt keys and values; everything else is frozen."""

    def __init__(self, config: PrefixTuningConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        check_input(model.backbone, "past_key_values", context)
        check_prompt(self.config.tokens, context)
        start = self._start(model.backbone, context)
        config = peft.PrefixTuningConfig(
            **prompt_settings(model.backbone, self.config.tokens),
            prefix_projection=self.config.projection,
            encoder_hidden_size=self.config.width,
        )
        prepared = wrap(model, config, context)
        if start is not None:
            with torch.no_grad():
                model.backbone.prompt_encoder["default"].embedding.weight.copy_(start)
        return prepared

    def _start(self, backbone: nn.Module, context: StrategyContext) -> torch.Tensor | None:
        """Returns the keys and values of drawn words, as peft lays them out."""
        # a saved prefix is put back, whatever it started from
        if not context.training or self.config.projection:
            return None
        return keys_and_values(backbone, draw_words(backbone, self.config.tokens))


def keys_and_values(backbone: nn.Module, words: torch.Tensor) -> torch.Tensor:
    """Returns what the attention layers make of `words`.

    The paper finds that a prefix from the activations of real words learns better than a random
    one (Li and Liang 2021, section 7.4).

    Args:
        backbone: Model that fills a cache.
        words: Token numbers, shape (t,).

    Returns:
        Shape (t, layers · 2 · width): by word; keys then values of the first layer, and so on.
    """
    cache, was_training = DynamicCache(), backbone.training
    with torch.no_grad():
        ids = words.unsqueeze(0).to(backbone.device)
        backbone.eval()(input_ids=ids, past_key_values=cache, use_cache=True)
    backbone.train(was_training)
    states = [each for layer in cache.layers for each in (layer.keys[0], layer.values[0])]
    # (layers · 2, heads, t, width of a head) → (t, layers · 2, heads, width of a head)
    return torch.stack(states).permute(2, 0, 1, 3).flatten(1)
