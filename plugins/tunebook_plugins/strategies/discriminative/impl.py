"""Rates by pattern."""

from __future__ import annotations

from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.native import save_backbone
from tunebook_plugins.patterns import matching
from tunebook_plugins.strategies.discriminative.plugin import DiscriminativeConfig


class Discriminative:
    """Gives each parameter the rate of the first pattern that matches it; 0 freezes it."""

    def __init__(self, config: DiscriminativeConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        pattern_of = self._first_patterns(model)
        rates = self.config.rates
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name not in pattern_of or rates[pattern_of[name]] > 0
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ConfigError(_nothing_learns())
        unmatched = context.by_depth()

        def group_of(name: str) -> tuple[str, float]:
            pattern = pattern_of.get(name)
            return unmatched(name) if pattern is None else (pattern, rates[pattern])

        return Prepared(
            model,
            context.groups(model, group_of),
            frozen_layers=context.frozen_layers(model),
            export=save_backbone(model),
        )

    def _first_patterns(self, model: nn.Module) -> dict[str, str]:
        """Returns the pattern that counts for a parameter, by the parameter's name."""
        names = [name for name, _ in model.named_parameters()]
        found = matching(self.config.rates, names, "strategy.rates")
        # from the last to the first, so that the first has the last word
        return {name: pattern for pattern in reversed(found) for name in found[pattern]}


def _nothing_learns() -> Problem:
    return Problem(
        "strategy.rates",
        "strategy.rates",
        "something that learns",
        "a rate of 0 for every part of the model",
        "give `head` a rate, or leave it out to train it at training.head_learning_rate",
    )
