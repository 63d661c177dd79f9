"""Losses that torch has no single module for."""

from __future__ import annotations

import torch
from torch import nn

Tensor = torch.Tensor


class SigmoidLoss(nn.Module):
    """Binary cross-entropy of independent classes, averaged over rows and classes.

    Args:
        weights: Shape (k,), weight of the rows that have a class, None for 1.
        smoothing: Share of each target that is spread evenly over having the class and not.
    """

    def __init__(self, weights: Tensor | None, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.entropy = nn.BCEWithLogitsLoss(pos_weight=weights)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Returns the mean over logits (b, k) and targets (b, k) of 0 and 1."""
        smoothed = targets.to(logits.dtype) * (1 - self.smoothing) + self.smoothing / 2
        return self.entropy(logits, smoothed)


class ScaledSquares(nn.Module):
    """Mean squared error in units of a scale, which logits are in already.

    Args:
        mean: What is 0 on the scale.
        deviation: What is 1 above it.
    """

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean = mean
        self.deviation = deviation

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Returns the mean over logits (b, 1) and targets (b,), in the unit of the data."""
        scaled = (targets - self.mean) / self.deviation
        return nn.functional.mse_loss(logits.squeeze(-1), scaled.to(logits.dtype))
