"""Models with a head for pretraining, as a stage trains them and as they are measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from tunebook.training.inputs import Batch
from tunebook.training.language_inputs import IGNORED

Tensor = torch.Tensor


class NextToken(nn.Module):
    """Loss of a decoder that guesses each token by those before it."""

    unasked = 1
    """Labels at the beginning of a row that nothing stands before."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **batch: Tensor) -> Tensor:
        """Returns the mean negative log-likelihood of what is to be guessed."""
        return self.model(**batch).loss

    def tally(self, batch: Batch) -> tuple[float, int]:
        """Returns the negative log-likelihood of a batch, and of how many tokens it is."""
        guessed = int((batch["labels"][:, self.unasked :] != IGNORED).sum())
        return self(**batch).item() * guessed, guessed


class CutSpans(NextToken):
    """Loss of an encoder–decoder that says what was cut out of a text."""

    unasked = 0


class MaskedTokens(NextToken):
    """Loss of an encoder that guesses masked tokens; its head reads nothing else.

    The head's product with the vocabulary costs as much as all layers of a small encoder.
    """

    unasked = 0

    def forward(self, labels: Tensor, **inputs: Tensor) -> Tensor:
        asked = labels != IGNORED

        def pick(_module: nn.Module, _arguments: Any, output: Any) -> Any:
            output["last_hidden_state"] = output.last_hidden_state[asked][None]
            return output

        handle = self.model.base_model.register_forward_hook(pick)
        try:
            return self.model(**inputs, labels=labels[asked][None]).loss
        finally:
            handle.remove()


class FollowingSentence(nn.Module):
    """Loss of an encoder that says whether its second sentence follows the first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **batch: Tensor) -> Tensor:
        """Returns the mean loss of b pairs; `labels` has the shape (b, 1)."""
        return self._answer(batch).loss

    def tally(self, batch: Batch) -> tuple[float, int]:
        """Returns how many pairs of a batch are told right, and how many there are."""
        right = self._answer(batch).logits.argmax(dim=-1) == batch["labels"][:, 0]
        return float(right.sum()), len(right)

    def _answer(self, batch: Batch) -> Any:
        def pool(_module: nn.Module, _arguments: Any, output: Any) -> Any:
            output["pooler_output"] = self.model.pooler(output.last_hidden_state)
            return output

        # the backbone was loaded without its pooler, which no other head uses
        handle = self.model.base_model.register_forward_hook(pool)
        try:
            return self.model(**batch)
        finally:
            handle.remove()


MEASURES: Mapping[str, Callable[[float], float]] = {
    "perplexity": lambda mean: math.exp(min(mean, 700.0)),
    "accuracy": lambda mean: mean,
}
"""By name, what is made of the mean of all tallies."""
