"""`lora`: low-rank updates beside frozen matrices (peft)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl


class LoraConfig(PluginConfig):
    """Learns low-rank updates of chosen matrices; the pretrained weights stay as they are."""

    kind: Literal["lora"] = "lora"
    r: int = Field(16, ge=1, le=1024, description="Rank of the updates.")
    alpha: float = Field(32.0, gt=0, description="Updates are scaled by alpha / r.")
    dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before the updates.")
    targets: tuple[str, ...] | Literal["attention", "all"] = Field(
        "all",
        description=(
            "`attention`: what peft's table names for the architecture; `all`: every linear "
            "layer; or the ends of module names, such as [query, value]."
        ),
    )
    bias: Literal["none", "all", "lora_only"] = Field(
        "none", description="Which biases are trained as well."
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "lora",
        "Low-rank updates beside frozen matrices.",
        LoraConfig,
        "tunebook_plugins.strategies.lora.impl:Lora",
        requires=("peft",),
        install="pip install peft",
        training={
            "epochs": 8,
            "learning_rate": 1e-3,
            "head_learning_rate": 1e-3,
        },
        paper="Hu et al. 2021, arXiv:2106.09685",
    )
