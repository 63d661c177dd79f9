"""Low-rank updates that last as long as a stage and are then merged into the backbone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from transformers.pytorch_utils import Conv1D

from tunebook.models.quiet import quiet_libraries


@contextmanager
def low_rank_updates(backbone: nn.Module, rank: int) -> Iterator[None]:
    """Freezes `backbone` beside low-rank updates of its linear layers, and merges them at the end.

    Hu et al. 2021, arXiv:2106.09685. The updates are put inside the backbone's own layers, so that
    a head which stands on it needs no rewiring.

    Args:
        backbone: transformers model.
        rank: Rank of the updates; their scale is alpha / rank = 2.
    """
    import peft

    config = peft.LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in backbone.modules()),
    )
    with quiet_libraries():
        wrapped = peft.get_peft_model(backbone, config)
    try:
        yield
    finally:
        wrapped.merge_and_unload()
        vars(backbone).pop("peft_config", None)  # a strategy may wrap it again
