"""Dropout whose masks cost less: sixteen random bits an element instead of a draw each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_LEVELS = 1 << 16
_LOWEST = -(1 << 15)


class PackedDropout(nn.Dropout):
    """`nn.Dropout` on CPUs, four elements to one 64-bit draw of torch's global generator.

    torch draws each element by itself there, which is a tenth of a training step of a small
    encoder (`tests/benchmarks/dropout.py`). The rate is rounded to 1/65536.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        dropped = round(self.p * _LEVELS)
        if not self.training or dropped in (0, _LEVELS) or input.device.type != "cpu":
            return super().forward(input)
        draws = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        bits = draws.view(torch.int16)[: input.numel()].view(input.shape)
        mask = torch.empty(input.shape, dtype=input.dtype)
        torch.ge(bits, _LOWEST + dropped, out=mask)
        return input * mask.mul_(_LEVELS / (_LEVELS - dropped))


@contextmanager
def packed_dropout(model: nn.Module) -> Iterator[None]:
    """Puts PackedDropout in the place of every `nn.Dropout` of `model`, for the while."""
    modules = [module for module in model.modules() if type(module) is nn.Dropout]
    for module in modules:
        module.__class__ = PackedDropout
    try:
        yield
    finally:
        for module in modules:
            module.__class__ = nn.Dropout
