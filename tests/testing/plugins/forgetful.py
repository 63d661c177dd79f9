"""A strategy that keeps something in a global, so that only its own process loads it rightly."""

from __future__ import annotations

import os
from typing import Literal

from tunebook.config import PluginConfig
from tunebook.contracts import Prepared
from tunebook.specs import StrategyPlugin, Tags, hookimpl


class ForgetfulConfig(PluginConfig):
    kind: Literal["forgetful"] = "forgetful"


@hookimpl
def tunebook_strategies():
    yield StrategyPlugin(
        "forgetful",
        "Remembers its process.",
        ForgetfulConfig,
        f"{__name__}:Forgetful",
        tags=Tags(architectures=("bert",)),
        paper="Nobody 2026",
        when="In tests.",
        cost="Next to nothing.",
    )


class Forgetful:
    def __init__(self, config) -> None:
        self.config = config

    def prepare(self, model, context) -> Prepared:
        for name, parameter in model.named_parameters():
            parameter.requires_grad = context.is_head(name) or name.endswith("bias")
        model.head.register_forward_hook(lambda _, __, logits: logits + os.getpid() / 1000)
        return Prepared(model, context.groups(model))
