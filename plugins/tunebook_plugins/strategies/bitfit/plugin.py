"""`bitfit`: nothing is trained but biases and the head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl

NO_BIASES = (
    *("t5", "mt5", "umt5", "longt5", "switch_transformers"),
    *("llama", "mistral", "mixtral", "gemma", "gemma2", "qwen3", "olmo2", "phi3", "modernbert"),
)
"""Architectures whose layers have no bias terms."""


class BitFitConfig(PluginConfig):
    """Trains bias terms and the head; a thousandth of the parameters."""

    kind: Literal["bitfit"] = "bitfit"
    targets: Literal["all", "attention", "feed_forward"] = Field(
        "all",
        description=(
            "Which biases: all, those of norms included; those of the linear layers inside "
            "attention; or those of the linear layers outside it."
        ),
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "bitfit",
        "Bias terms and the head only.",
        BitFitConfig,
        "tunebook_plugins.strategies.bitfit.impl:BitFit",
        tags=Tags(unsuited=dict.fromkeys(NO_BIASES, "which has no biases")),
        training={
            "epochs": 10,
            "learning_rate": 1e-3,
            "head_learning_rate": 1e-3,
        },
        paper="Ben Zaken et al. 2021, arXiv:2106.10199",
        when="With few labels, or when the structure of the model must stay exactly as it was.",
        cost=(
            "Biases alone learn and nothing is added; a step still goes backward through every "
            "layer."
        ),
    )
