"""`discriminative`: every part of the model learns at the rate that is written for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl

Rate = Annotated[float, Ge(0), Le(10)]


class DiscriminativeConfig(PluginConfig):
    """Takes peak rates by module; `training.learning_rate` is for what no pattern matches."""

    kind: Literal["discriminative"] = "discriminative"
    rates: dict[str, Rate] = Field(
        {"backbone": 3e-5, "head": 1e-4},
        min_length=1,
        description=(
            "Rate by pattern over names of modules and parameters, such as "
            "`backbone.encoder.layer.[0-2]`; the first that matches wins, 0 freezes."
        ),
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "discriminative",
        "Fine-tuning with an explicit rate for each part of the model.",
        DiscriminativeConfig,
        "tunebook_plugins.strategies.discriminative.impl:Discriminative",
        training={
            "epochs": 5,
            "learning_rate": 5e-5,
            "head_learning_rate": 2e-4,
        },
        paper="Howard and Ruder 2018, arXiv:1801.06146",
        when=(
            "When it is known which parts should move and how fast, such as a new head on a good "
            "backbone."
        ),
        cost="As full fine-tuning of whatever isn't at rate 0, and a rate to choose for each part.",
    )
