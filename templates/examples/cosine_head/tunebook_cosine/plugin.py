"""`cosine_head`: another head, which compares directions instead of lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl

api = 1


class CosineHeadConfig(PluginConfig):
    """Logits are cosines of text and class vectors, times a factor that is learnt."""

    kind: Literal["cosine_head"] = "cosine_head"
    scale: float = Field(10.0, gt=0, le=100, description="Value that the factor begins with.")
    train_backbone: bool = Field(True, description="Fine-tune the pretrained weights as well.")


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "cosine_head",
        "A head of cosines in the place of the linear one.",
        CosineHeadConfig,
        "tunebook_cosine.impl:CosineHeadStrategy",
        # a cosine has bounds, which a number on any scale doesn't
        tags=Tags(tasks=("text_classification", "multi_label"), forms=("linear",), multitask=False),
        training={"epochs": 4, "learning_rate": 5e-5, "head_learning_rate": 1e-3},
        paper="Gidaris and Komodakis 2018, arXiv:1804.09458",
        when="When classes are very unequal in size, to which a linear head answers with length.",
        cost="As full fine-tuning; with train_backbone false, as feature extraction.",
    )
