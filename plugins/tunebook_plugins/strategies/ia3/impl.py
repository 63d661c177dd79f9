"""(IA)³ through peft."""

from __future__ import annotations

from dataclasses import replace

import peft
from torch import nn

from tunebook.contracts import ParamGroup, Prepared, StrategyContext
from tunebook_plugins.peft_support import (
    INNER,
    KEYS_VALUES_INNER,
    check_targets,
    default_targets,
    is_transposed,
    layers_ending_with,
    linear,
    wrap,
)
from tunebook_plugins.strategies.ia3.plugin import Ia3Config


class Ia3:
    """Puts a learnt factor on each channel of the targets; the factors begin at one."""

    def __init__(self, config: Ia3Config) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        layers = linear(model.backbone)
        if self.config.targets == "auto":
            advice = "name in `targets`, and the feed-forward ones in `feed_forward`,"
            targets = default_targets(KEYS_VALUES_INNER, context, model.backbone, advice)
            inner = list(INNER.get(context.architecture, ()))
        else:
            targets = check_targets(self.config.targets, layers)
            inner = list(self.config.feed_forward)
        config = peft.IA3Config(
            target_modules=targets,
            feedforward_modules=inner,
            fan_in_fan_out=is_transposed(layers_ending_with(layers, targets)),
        )
        prepared = wrap(model, config, context, merge=self.config.merge)
        return replace(prepared, groups=[_without_decay(group) for group in prepared.groups])


def _without_decay(group: ParamGroup) -> ParamGroup:
    """A factor that does nothing is one; decay would pull it to zero."""
    return group if group["name"].startswith("head") else group | {"weight_decay": 0.0}
