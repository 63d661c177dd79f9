"""Freezing by layers, by pattern, and by share."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.native import save_backbone
from tunebook_plugins.patterns import matching
from tunebook_plugins.strategies.freeze.plugin import FreezeConfig


class Freeze:
    """Freezes what one of the config's fields names. The head always learns.

    When that is the whole backbone, features are computed once and cached.
    """

    def __init__(self, config: FreezeConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        backbone = {n: p for n, p in model.named_parameters() if not context.is_head(n)}
        depths = self._layers(context.layers) | self._share(backbone, context)
        frozen = {name for name in backbone if context.depth_of(name) in depths}
        frozen.update(*matching(self.config.patterns, [*backbone], "strategy.patterns").values())
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name not in frozen

        return Prepared(
            model,
            context.groups(model),
            # a classifier by label words has no vector of a text to keep
            cache_features=len(frozen) == len(backbone) and hasattr(model, "encode"),
            frozen_layers=context.frozen_layers(model),
            export=save_backbone(model),
        )

    def _layers(self, count: int) -> set[int]:
        """Returns the depths that `embeddings` and `layers` name, in a model of `count` blocks."""
        wanted = self.config.layers
        if abs(wanted) > count:
            raise ConfigError(
                Problem(
                    "strategy.layers",
                    "strategy.layers",
                    f"from {-count} to {count}: the model has {count} layers",
                    str(wanted),
                    f"write {count} to freeze them all, or a smaller number",
                )
            )
        blocks = wanted if wanted >= 0 else count + wanted
        return {*range(1, blocks + 1), *((0,) if self.config.embeddings else ())}

    def _share(self, backbone: dict[str, nn.Parameter], context: StrategyContext) -> set[int]:
        """Returns the lowest depths that together stay within `share` of the weights."""
        if self.config.share is None:
            return set()
        sizes: Counter[int] = Counter()
        for name, parameter in backbone.items():
            sizes[context.depth_of(name)] += parameter.numel()
        sums = accumulate(sizes[depth] for depth in range(context.layers + 2))
        shares = [upto / sizes.total() for upto in sums]
        if shares[0] > self.config.share:
            raise ConfigError(
                Problem(
                    "strategy.share",
                    "strategy.share",
                    f"at least {shares[0]:.3f}, the share of the embeddings alone",
                    str(self.config.share),
                    "raise it, or freeze by `layers` or `patterns`",
                )
            )
        return {depth for depth, share in enumerate(shares) if share <= self.config.share}
