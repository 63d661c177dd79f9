"""`ia3`: learnt factors on keys, values and inner feed-forward activations (peft)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl


class Ia3Config(PluginConfig):
    """Learns one factor for each channel of chosen layers; a few thousand parameters."""

    kind: Literal["ia3"] = "ia3"
    targets: tuple[str, ...] | Literal["auto"] = Field(
        "auto",
        description=(
            "`auto`: keys, values and inner feed-forward layers, by a table of architectures; or "
            "the ends of module names, such as [key, value]."
        ),
    )
    feed_forward: tuple[str, ...] = Field(
        (),
        description=(
            "Those of `targets` that are feed-forward layers: their input is scaled, not their "
            "output. With `auto` the table says which."
        ),
    )
    merge: bool = Field(
        False,
        description=(
            "Write the backbone with its factors folded in as well, a plain transformers folder, "
            "into native/merged of the saved model."
        ),
    )

    @model_validator(mode="after")
    def _feed_forward_are_targets(self) -> Ia3Config:
        targets = () if self.targets == "auto" else self.targets
        stray = [name for name in self.feed_forward if name not in targets]
        if stray:
            raise ValueError(f"feed_forward names {', '.join(stray)}, which targets doesn't")
        return self


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "ia3",
        "Learnt factors on keys, values and feed-forward activations.",
        Ia3Config,
        "tunebook_plugins.strategies.ia3.impl:Ia3",
        requires=("peft",),
        install="pip install peft",
        tags=Tags(frozen_backbone=True),
        training={
            "epochs": 10,
            "learning_rate": 1e-2,
            "head_learning_rate": 1e-3,
        },
        paper="Liu et al. 2022, arXiv:2205.05638",
        when="When what is stored for each task must be tiny.",
        cost=(
            "Far fewer parameters than LoRA, at about the time of its steps; it wants a high rate."
        ),
    )
