"""AdapterFusion's layer on a CPU in bf16: under `inference_mode` against `no_grad`, in turn.

    python tests/benchmarks/fusion_grad_mode.py

Why `tunebook.training.predict` uses `no_grad`. The layer gets the outputs of its adapters stacked
and permuted, so that they aren't contiguous.
"""

from __future__ import annotations

import statistics
import time

import torch
from adapters import AdapterFusionConfig
from adapters.methods.modeling import BertFusion
from machine import heading

BATCH, TOKENS, WIDTH, ADAPTERS, TURNS = 64, 128, 384, 2, 3


def seconds(layer: torch.nn.Module, mode: type) -> float:
    """Returns the wall time of one pass."""
    outputs = torch.randn(ADAPTERS, BATCH, TOKENS, WIDTH).permute(1, 2, 0, 3)
    query, residual = torch.randn(2, BATCH, TOKENS, WIDTH)
    with mode(), torch.autocast("cpu", torch.bfloat16):
        began = time.perf_counter()
        layer(query, outputs, outputs, residual)
        return time.perf_counter() - began


def main() -> None:
    torch.set_num_threads(1)
    print(heading())
    layer = BertFusion(AdapterFusionConfig.load("dynamic"), WIDTH, 0.1).eval()
    seconds(layer, torch.no_grad)  # warms up
    ratios = [
        seconds(layer, torch.inference_mode) / seconds(layer, torch.no_grad) for _ in range(TURNS)
    ]
    middle = statistics.median(ratios)
    print(f"inference_mode takes {middle:.0f}x ({min(ratios):.0f} to {max(ratios):.0f})")


if __name__ == "__main__":
    main()
