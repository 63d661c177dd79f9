"""`vera`: learnt scales on random matrices that all layers share (peft)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl

api = 1
requires_tunebook = ">=0.1,<1"


class VeraConfig(PluginConfig):
    """Learns two vectors a layer; the matrices between them are random, shared and never stored."""

    kind: Literal["vera"] = "vera"
    r: int = Field(64, ge=1, le=4096, description="Rank of the shared matrices.")
    initial: float = Field(0.1, gt=0, le=1, description="Value that the inner scales begin with.")
    projection_seed: int = Field(0, ge=0, lt=2**31, description="What the matrices are drawn by.")


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "vera",
        "Learnt scales on random matrices that all layers share.",
        VeraConfig,
        "tunebook_vera.impl:Vera",
        requires=("peft",),
        install="pip install tunebook-vera",
        tags=Tags(frozen_backbone=True),
        training={"epochs": 10, "learning_rate": 1e-2, "head_learning_rate": 1e-3},
        paper="Kopiczko et al. 2023, arXiv:2310.11454",
        when="When what is stored for each task must be smaller than LoRA's.",
        cost="A few vectors learn; a step takes about as long as one of LoRA of the same rank.",
    )
