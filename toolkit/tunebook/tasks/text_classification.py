"""One label for each text: a backbone, a pooling, and a linear head."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import nn

from tunebook.config import HeadConfig
from tunebook.errors import ConfigError, Problem
from tunebook.models.load import family, width

Tensor = torch.Tensor


def mean_pool(states: Tensor, mask: Tensor) -> Tensor:
    """Returns the mean of the token states that are not padding: (b, t, h) → (b, h)."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def first_token(states: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG001 - one signature for all
    """Returns the state of the first token: (b, t, h) → (b, h)."""
    return states[:, 0]


def last_token(states: Tensor, mask: Tensor) -> Tensor:
    """Returns the state of the last token that is not padding: (b, t, h) → (b, h)."""
    positions = torch.arange(mask.shape[1], device=mask.device) * mask
    return states[torch.arange(len(states), device=states.device), positions.argmax(dim=1)]


POOLINGS = {"mean": mean_pool, "cls": first_token, "last": last_token, "decoder": first_token}
DEFAULT_POOLING = {"encoder": "mean", "decoder": "last", "encoder_decoder": "mean"}


class ClassificationHead(nn.Module):
    """Scales a text vector to one length, drops some of it out, and maps it to class logits."""

    def __init__(self, features: int, classes: int, config: HeadConfig) -> None:
        super().__init__()
        self.scale = features**0.5 if config.normalise else None
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(features, classes)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def normalise(self, features: Tensor) -> Tensor:
        """Returns (n, h) vectors as the linear layer gets them, without dropout."""
        if self.scale is None:
            return features
        return nn.functional.normalize(features, dim=-1) * self.scale

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.dropout(self.normalise(features)))


class FrozenPrefix(Protocol):
    """Lower blocks whose outputs may be given instead of computed."""

    def states(self, states: Tensor | None) -> AbstractContextManager[None]: ...


class TextClassifier(nn.Module):
    """A pretrained backbone with a classification head.

    Strategies replace or change `backbone`; parameters of the head begin with ``head.``.

    Args:
        backbone: transformers model that returns `last_hidden_state`.
        classes: Number of outputs, one a class; one for a number.
        config: Head settings.
    """

    def __init__(self, backbone: nn.Module, classes: int, config: HeadConfig) -> None:
        super().__init__()
        kind = family(backbone.config)
        pooling = DEFAULT_POOLING[kind] if config.pooling == "auto" else config.pooling
        if pooling == "decoder" and kind != "encoder_decoder":
            raise ConfigError(_no_decoder(kind))
        self.pool = POOLINGS[pooling]
        self.decodes = pooling == "decoder"
        self.start = backbone.config.decoder_start_token_id if kind == "encoder_decoder" else None
        self.backbone = backbone
        self.prefix: FrozenPrefix | None = None
        self.head = ClassificationHead(width(backbone), classes, config)

    def encode(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Returns one vector a text: (b, t) token numbers and mask → (b, h).

        `token_type_ids`, of the same shape, are 1 in the second text of a pair.
        """
        states = self._states(input_ids, attention_mask, token_type_ids)
        # a prompt that a strategy puts before the text has states of its own, which aren't pooled
        return self.pool(states[:, -input_ids.shape[1] :], attention_mask)

    def _states(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None
    ) -> Tensor:
        """Returns what is pooled: token states, or the decoder's first one, (b, t or 1, h)."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        if self.start is None:
            return self.backbone(**inputs).last_hidden_state
        start = input_ids.new_full((len(input_ids), 1), self.start)
        output = self.backbone(**inputs, decoder_input_ids=start)
        return output.last_hidden_state if self.decodes else output.encoder_last_hidden_state

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        features: Tensor | None = None,
        states: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Returns logits (b, k) of token inputs, or of vectors that `encode` made earlier.

        Args:
            input_ids: Shape (b, t).
            attention_mask: Shape (b, t).
            features: Shape (b, h), in the place of tokens.
            states: Shape (b, t, h), what the frozen `prefix` makes of the tokens.
            token_type_ids: Shape (b, t), 1 in the second text of a pair.
        """
        if features is None:
            if input_ids is None or attention_mask is None:
                raise ValueError("forward needs token inputs or features")
            with nullcontext() if self.prefix is None else self.prefix.states(states):
                features = self.encode(input_ids, attention_mask, token_type_ids)
        return self.head(features)


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Returns copies of the trainable parameters by name, on the CPU."""
    return {
        name: parameter.detach().to("cpu", copy=True).contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def load_trainable(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Puts a trainable state back.

    Raises:
        KeyError: The model lacks a parameter of `state`, or has one of another shape.
    """
    parameters = dict(model.named_parameters())
    wrong = [n for n, t in state.items() if n not in parameters or parameters[n].shape != t.shape]
    if wrong:
        raise KeyError(f"the model has no such parameters: {', '.join(wrong[:5])}")
    with torch.no_grad():
        for name, tensor in state.items():
            parameters[name].copy_(tensor)


def count_parameters(model: nn.Module) -> dict[str, float | int]:
    """Returns the numbers of trainable and of all parameters, and the share."""
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"trainable": trainable, "total": total, "share": trainable / max(total, 1)}


def _no_decoder(kind: str) -> Problem:
    return Problem(
        "head.pooling",
        "head.pooling",
        "`mean`, `cls` or `last`; only an encoder-decoder has a decoder to ask",
        f"`decoder` with {'an encoder' if kind == 'encoder' else 'a decoder'}",
        "set head.pooling=auto",
    )
