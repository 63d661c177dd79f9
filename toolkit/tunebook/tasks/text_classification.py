"""One label for each text: a backbone, a pooling, and a linear head."""

from __future__ import annotations

import torch
from torch import nn

from tunebook.config import HeadConfig
from tunebook.models.load import is_decoder, width

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


POOLINGS = {"mean": mean_pool, "cls": first_token, "last": last_token}


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


class TextClassifier(nn.Module):
    """A pretrained backbone with a classification head.

    Strategies replace or change `backbone`; parameters of the head begin with ``head.``.

    Args:
        backbone: transformers model that returns `last_hidden_state`.
        classes: Number of classes.
        config: Head settings.
    """

    def __init__(self, backbone: nn.Module, classes: int, config: HeadConfig) -> None:
        super().__init__()
        pooling = config.pooling
        if pooling == "auto":
            pooling = "last" if is_decoder(backbone) else "mean"
        self.pool = POOLINGS[pooling]
        self.backbone = backbone
        self.head = ClassificationHead(width(backbone), classes, config)

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Returns one vector a text: (b, t) token numbers and mask → (b, h)."""
        output = self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        return self.pool(output.last_hidden_state, attention_mask)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        features: Tensor | None = None,
    ) -> Tensor:
        """Returns logits (b, k) of token inputs, or of vectors that `encode` made earlier."""
        if features is None:
            if input_ids is None or attention_mask is None:
                raise ValueError("forward needs token inputs or features")
            features = self.encode(input_ids, attention_mask)
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
