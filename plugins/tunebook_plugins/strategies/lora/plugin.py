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
            "`attention`: query and value, by a table of architectures; `all`: every linear "
            "layer; or the ends of module names, such as [query, value]."
        ),
    )
    bias: Literal["none", "all", "lora_only"] = Field(
        "none", description="Which biases are trained as well."
    )
    rslora: bool = Field(
        False,
        description=(
            "Scale updates by alpha / √r, so that a high rank learns as fast as a low one "
            "(Kalajdzievski 2023, arXiv:2312.03732)."
        ),
    )
    dora: bool = Field(
        False,
        description=(
            "Learn the length of each matrix column apart from its direction; slower "
            "(DoRA, Liu et al. 2024, arXiv:2402.09353)."
        ),
    )
    plus_ratio: float | None = Field(
        None,
        ge=1,
        le=256,
        description=(
            "Rate of the B matrices over that of the A matrices, which is the learning rate and "
            "wants to be lower then; 16 in the paper, null for equal rates "
            "(LoRA+, Hayou et al. 2024, arXiv:2402.12354)."
        ),
    )
    merge: bool = Field(
        False,
        description=(
            "Write the backbone with its updates folded in as well, a plain transformers folder, "
            "into native/merged of the saved model."
        ),
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
        when=(
            "When memory is short or many tasks share one backbone; usually close to full fine-"
            "tuning."
        ),
        cost=(
            "A small share of the weights learns; a step still goes forward and backward through "
            "every layer."
        ),
    )
