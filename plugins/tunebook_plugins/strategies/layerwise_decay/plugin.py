"""`layerwise_decay`: full fine-tuning in which lower layers learn more slowly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl


class LayerwiseDecayConfig(PluginConfig):
    """Trains everything, each layer at a rate that falls towards the embeddings."""

    kind: Literal["layerwise_decay"] = "layerwise_decay"
    decay: float = Field(
        0.8,
        gt=0,
        le=1,
        description=(
            "Rate of a layer over the rate of the one above; the top layer has "
            "`training.learning_rate` times this, the head its own rate."
        ),
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "layerwise_decay",
        "Full fine-tuning with rates that fall from the top layer to the embeddings.",
        LayerwiseDecayConfig,
        "tunebook_plugins.strategies.layerwise_decay.impl:LayerwiseDecay",
        training={
            "epochs": 5,
            "learning_rate": 1e-4,
            "head_learning_rate": 2e-4,
        },
        paper="Clark et al. 2020, arXiv:2003.10555; Howard and Ruder 2018, arXiv:1801.06146",
        when=(
            "When full fine-tuning is unstable: lower layers, which are the more general ones, "
            "move less."
        ),
        cost="As full fine-tuning, and one more number to choose.",
    )
