"""`prefix_tuning`: learnt keys and values before the text in every layer (peft)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl


class PrefixTuningConfig(PluginConfig):
    """Learns what every attention layer of a frozen model finds before the text."""

    kind: Literal["prefix_tuning"] = "prefix_tuning"
    tokens: int = Field(20, ge=1, le=1024, description="Length of the prefix.")
    projection: bool = Field(
        False,
        description=(
            "Make the prefix by a two-layer network from a random start, which trains more "
            "parameters; without it the prefix starts from the keys and values of drawn words."
        ),
    )
    width: int | None = Field(
        None, ge=1, le=8192, description="Width of that network; null for the backbone's."
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "prefix_tuning",
        "Learnt keys and values before the text, in every layer of a frozen model.",
        PrefixTuningConfig,
        "tunebook_plugins.strategies.prefix_tuning.impl:PrefixTuning",
        requires=("peft",),
        install="pip install peft",
        tags=Tags(
            families=("encoder", "decoder"),
            unsuited={"distilbert": "which takes no keys and values from outside"},
            frozen_backbone=True,
        ),
        training={
            "epochs": 10,
            "learning_rate": 5e-3,
            "head_learning_rate": 1e-3,
        },
        paper="Li and Liang 2021, arXiv:2101.00190",
        when="Where a prompt at the input alone is too weak: every layer sees what was learnt.",
        cost=(
            "More parameters than a prompt, far fewer than all weights; every layer attends to "
            "the prefix."
        ),
    )
