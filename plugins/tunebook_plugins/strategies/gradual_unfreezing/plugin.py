"""`gradual_unfreezing`: the head learns first, then layer after layer from the top down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl

LayerNumber = Annotated[int, Ge(-1000), Le(1000)]
LayerNumbers = Annotated[tuple[LayerNumber, ...], MinLen(1)]


class GradualUnfreezingConfig(PluginConfig):
    """Opens the backbone in stages; the head and a final norm learn from the first step."""

    kind: Literal["gradual_unfreezing"] = "gradual_unfreezing"
    unfreeze: Literal["epoch", "steps", "plateau"] = Field(
        "epoch",
        description=(
            "When the next stage opens: every so many epochs, every so many optimiser steps, or "
            "when the validation score stops improving."
        ),
    )
    every: int = Field(1, ge=1, description="Epochs or steps from one stage to the next.")
    patience: int = Field(
        1,
        ge=1,
        description=(
            "Evaluations without an improvement that open the next stage (`plateau` only); keep it "
            "below `training.early_stopping.patience`."
        ),
    )
    score: str | None = Field(
        None,
        min_length=1,
        description=("The validation score that `plateau` watches; null for `evaluation.primary`."),
    )
    layers_per_stage: int = Field(1, ge=1, le=1000, description="Layers that open together.")
    train_embeddings: bool = Field(True, description="Open the embeddings as the last stage.")
    stages: tuple[LayerNumbers, ...] | None = Field(
        None,
        description=(
            "The stages after the head's, instead of the two fields above: 1 is the lowest layer, "
            "-1 the top one, 0 the embeddings. [[-1], [-2], [-3, -4]] opens the last four; layers "
            "that aren't named stay frozen."
        ),
    )
    decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Rate of a layer over the rate of the one above; the paper takes 1/2.6.",
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "gradual_unfreezing",
        "Fine-tuning in stages: the head first, then layer by layer from the top down.",
        GradualUnfreezingConfig,
        "tunebook_plugins.strategies.gradual_unfreezing.impl:GradualUnfreezing",
        training={
            "epochs": 10,
            "learning_rate": 5e-5,
            "head_learning_rate": 2e-4,
        },
        paper="Howard and Ruder 2018, arXiv:1801.06146",
        when="When full fine-tuning forgets what was pretrained, as it may with few labels.",
        cost=(
            "Early stages are cheaper than full fine-tuning, the last is not; it needs epochs "
            "enough for every stage."
        ),
    )
