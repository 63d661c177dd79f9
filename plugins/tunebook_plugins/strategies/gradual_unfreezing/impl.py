"""Gradual unfreezing: which layers open, and in what order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.native import save_backbone
from tunebook_plugins.strategies.gradual_unfreezing.callback import Stage, Unfreezing, unknown_score
from tunebook_plugins.strategies.gradual_unfreezing.plugin import GradualUnfreezingConfig


class GradualUnfreezing:
    """Declares everything trainable that opens at some time; a callback holds back what waits.

    The optimiser has all groups from the start, one per depth, so that its schedule covers them.
    """

    def __init__(self, config: GradualUnfreezingConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        problems = [*self._problems(context.layers), *self._score_problems(context.scores)]
        if problems:
            raise ConfigError(*problems)
        stages = self._stages(context.layers)
        learning = {context.layers + 1}.union(*stages)
        for name, parameter in model.named_parameters():
            parameter.requires_grad = context.depth_of(name) in learning
        opening = [_stage(depths, model, context) for depths in stages]

        return Prepared(
            model,
            context.groups(model, context.by_depth(self.config.decay)),
            callbacks=[Unfreezing(self.config, opening, context)],
            frozen_layers=context.frozen_layers(model),
            export=save_backbone(model),
        )

    def _stages(self, count: int) -> list[list[int]]:
        """Returns the depths that each stage after the head's opens, in a model of `count`."""
        if self.config.stages is not None:
            return [[_depth(n, count) for n in stage] for stage in self.config.stages]
        down, size = list(range(count, 0, -1)), self.config.layers_per_stage
        blocks = [down[start : start + size] for start in range(0, count, size)]
        return blocks + ([[0]] if self.config.train_embeddings else [])

    def _score_problems(self, scores: Collection[str]) -> Iterator[Problem]:
        """Yields a score that nothing gives, before an epoch is spent; `scores` may be unknown."""
        score = self.config.score
        if scores and score is not None and score not in scores:
            yield unknown_score(score, scores)

    def _problems(self, count: int) -> Iterator[Problem]:
        if self.config.stages is None:
            if self.config.layers_per_stage > count:
                yield _too_many("strategy.layers_per_stage", count, self.config.layers_per_stage)
            return
        named = [n for stage in self.config.stages for n in stage]
        for n in named:
            if abs(n) > count:
                yield _too_many("strategy.stages", count, n)
        for depth, times in Counter(_depth(n, count) for n in named).items():
            if times > 1:
                yield _named_twice(depth, count)


def _depth(number: int, count: int) -> int:
    return number if number >= 0 else count + 1 + number


def _stage(depths: list[int], model: nn.Module, context: StrategyContext) -> Stage:
    labels = [f"layer {depth}" if depth else "the embeddings" for depth in depths]
    members = [p for n, p in model.named_parameters() if context.depth_of(n) in depths]
    return Stage(" and ".join(labels), members)


def _too_many(where: str, count: int, found: int) -> Problem:
    return Problem(
        "strategy.layers",
        where,
        f"at most {count}: the model has {count} layers",
        str(found),
        f"1 is the lowest layer, {count} or -1 the top one; at most {count} open at once",
    )


def _named_twice(depth: int, count: int) -> Problem:
    return Problem(
        "strategy.stages",
        "strategy.stages",
        "each layer in one stage",
        f"layer {depth} (or {depth - count - 1}) more than once",
        "a layer that has opened stays open: name it where it opens",
    )
