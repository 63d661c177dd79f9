"""`full`: every weight of the backbone is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl


class FullConfig(PluginConfig):
    """Trains the whole backbone and the head."""

    kind: Literal["full"] = "full"
    embeddings: Literal["train", "freeze"] = Field(
        "train",
        description=(
            "The lookup tables of words and positions are half of a small encoder; frozen, a step "
            "is faster and the result usually the same."
        ),
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "full",
        "Full fine-tuning: every layer learns.",
        FullConfig,
        "tunebook_plugins.strategies.full.impl:Full",
        training={
            "epochs": 5,
            "learning_rate": 5e-5,
            "head_learning_rate": 2e-4,
        },
        paper="Devlin et al. 2019, arXiv:1810.04805",
        when="When labels are plentiful and quality counts most; the reference for all others.",
        cost=(
            "The most memory: gradients and optimiser states of every weight, and a whole model "
            "for each task."
        ),
    )
