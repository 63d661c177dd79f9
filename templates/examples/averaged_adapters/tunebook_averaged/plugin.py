"""`averaged_adapters`: several adapters side by side, whose outputs are averaged (adapters)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl

api = 1


class AveragedConfig(PluginConfig):
    """Learns several small adapters at once; each begins somewhere else."""

    kind: Literal["averaged_adapters"] = "averaged_adapters"
    members: int = Field(3, ge=2, le=16, description="How many adapters there are.")
    reduction_factor: float = Field(
        32, ge=1, le=1024, description="Width of the layer over width of each bottleneck."
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "averaged_adapters",
        "Several adapters side by side, their outputs averaged.",
        AveragedConfig,
        "tunebook_averaged.impl:Averaged",
        requires=("adapters",),
        install="pip install tunebook-averaged-adapters",
        tags=Tags(frozen_backbone=True, multitask=False),
        training={"epochs": 10, "learning_rate": 1e-3, "head_learning_rate": 1e-3},
        paper="Chronopoulou et al. 2023, arXiv:2302.07027",
        when="When a single adapter differs much from seed to seed.",
        cost="As many adapters are computed as there are members, in every layer.",
    )
