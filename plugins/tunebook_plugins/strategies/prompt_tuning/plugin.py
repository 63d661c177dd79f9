"""`prompt_tuning`: learnt vectors in front of a frozen model's input (peft)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl


class PromptTuningConfig(PluginConfig):
    """Learns the input vectors of a prompt that stands before every text."""

    kind: Literal["prompt_tuning"] = "prompt_tuning"
    tokens: int = Field(20, ge=1, le=1024, description="Learnt vectors in the prompt.")
    init: Literal["random", "vocabulary", "text"] = Field(
        "vocabulary",
        description=(
            "What the prompt starts from: noise, the vectors of drawn words, or those of `text`. "
            "Noise learns slowly."
        ),
    )
    text: str | None = Field(
        None,
        min_length=1,
        description=(
            "Start of the prompt with `init: text`, such as the definitions of the classes; "
            "repeated when it is shorter than `tokens`."
        ),
    )

    knowledge: str | None = Field(
        None,
        min_length=1,
        description=(
            "Words that stand between the learnt vectors and every text and stay as they are, "
            "such as the definitions of the classes."
        ),
    )

    @model_validator(mode="after")
    def _text_with_its_init(self) -> PromptTuningConfig:
        if (self.init == "text") != (self.text is not None):
            raise ValueError("`init: text` and `text` go together")
        return self


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "prompt_tuning",
        "Learnt input vectors before the text of a frozen model.",
        PromptTuningConfig,
        "tunebook_plugins.strategies.prompt_tuning.impl:PromptTuning",
        requires=("peft",),
        install="pip install peft",
        tags=Tags(frozen_backbone=True),
        training={
            "epochs": 10,
            "learning_rate": 1e-2,
            "head_learning_rate": 1e-3,
        },
        paper="Lester et al. 2021, arXiv:2104.08691",
        when=(
            "For large frozen models that serve many tasks; on small ones it is usually behind "
            "LoRA."
        ),
        cost=(
            "The fewest parameters, learnt slowly; the prompt takes room in the window and time "
            "with every text."
        ),
    )
