"""Which number format is used, and why."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

CPU_BF16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16", "svebf16")
"""Instructions that multiply bf16 matrices; without one of them bf16 is slower than fp32."""


@dataclass(frozen=True)
class Precision:
    """A number format and the reason for it."""

    name: str
    why: str

    def autocast(self) -> AbstractContextManager[object]:
        """Returns the context that a forward pass runs in."""
        if self.name == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16" else torch.float16
        return torch.autocast(device().type, dtype=dtype)


def device() -> torch.device:
    """Returns where models run: the first GPU, Apple's, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_precision(wanted: str) -> Precision:
    """Returns the format for `wanted`, where ``auto`` takes what the hardware accelerates."""
    if wanted != "auto":
        return Precision(wanted, "the case asks for it")
    kind = device().type
    if kind == "cuda":
        if torch.cuda.is_bf16_supported():
            return Precision("bf16", "the GPU supports bf16")
        return Precision("fp16", "the GPU supports fp16 but not bf16")
    if kind == "cpu":
        flag = cpu_bf16()
        if flag:
            return Precision("bf16", f"the CPU accelerates bf16 ({flag})")
        return Precision("fp32", "the CPU doesn't accelerate bf16")
    return Precision("fp32", f"no mixed precision on {kind}")


def cpu_bf16() -> str | None:
    """Returns the CPU's bf16 instruction set, None when it has none."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return next((flag for flag in CPU_BF16_FLAGS if capabilities.get(flag)), None)
