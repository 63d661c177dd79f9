"""`freeze`: a part of the backbone stays as it is, the rest is fine-tuned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl


class FreezeConfig(PluginConfig):
    """Freezes whatever one of the fields names; the rest of the backbone and the head learn."""

    kind: Literal["freeze"] = "freeze"
    embeddings: bool = Field(True, description="Freeze the embeddings and their norms.")
    layers: int = Field(
        -2,
        ge=-1000,
        le=1000,
        description=(
            "Blocks frozen from the bottom: 4 for the lowest four, -2 for all but the top two."
        ),
    )
    patterns: tuple[str, ...] = Field(
        (),
        description=(
            "Modules or parameters frozen as well, such as `backbone.encoder.layer.5.attention` "
            "or `*.LayerNorm.*`."
        ),
    )
    share: float | None = Field(
        None,
        gt=0,
        le=1,
        description=(
            "Freeze as many whole layers from the bottom, embeddings first, as fit into this "
            "share of the backbone's weights."
        ),
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "freeze",
        "Fine-tuning of the upper layers: the lower ones stay as they were pretrained.",
        FreezeConfig,
        "tunebook_plugins.strategies.freeze.impl:Freeze",
        training={
            "epochs": 5,
            "learning_rate": 1e-4,
            "head_learning_rate": 2e-4,
        },
        paper="Lee et al. 2019, arXiv:1911.03090",
        when=(
            "When full fine-tuning is too slow or overfits: most of what a task needs is learnt "
            "by the upper layers."
        ),
        cost=(
            "Below the frozen layers nothing is computed twice; memory and time grow with the "
            "layers that learn."
        ),
    )
