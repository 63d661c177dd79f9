"""`p_tuning`: a prompt made by a small network that is learnt with it (peft)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl


class PTuningConfig(PluginConfig):
    """Learns a prompt through a network, whose words depend on one another."""

    kind: Literal["p_tuning"] = "p_tuning"
    tokens: int = Field(20, ge=1, le=1024, description="Length of the prompt.")
    encoder: Literal["mlp", "lstm"] = Field(
        "mlp",
        description=(
            "Network that makes the prompt: three layers, or as in the paper an LSTM in both "
            "directions with two layers behind it, which is slower."
        ),
    )
    width: int | None = Field(
        None, ge=1, le=8192, description="Width of that network; null for the backbone's."
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "p_tuning",
        "A prompt made by a small learnt network, before a frozen model.",
        PTuningConfig,
        "tunebook_plugins.strategies.p_tuning.impl:PTuning",
        requires=("peft",),
        install="pip install peft",
        tags=Tags(frozen_backbone=True),
        training={
            "epochs": 10,
            "learning_rate": 1e-3,
            "head_learning_rate": 1e-3,
        },
        paper="Liu et al. 2021, arXiv:2103.10385",
        when=(
            "Where prompt tuning is unstable: the network makes the words of the prompt depend on "
            "one another."
        ),
        cost=(
            "As prompt tuning, with a small network that learns as well; once learnt, the prompt "
            "costs the same."
        ),
    )
