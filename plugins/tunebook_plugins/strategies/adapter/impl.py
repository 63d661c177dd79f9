"""Adapters through the adapters library: one alone, or composed with those of earlier runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import adapters
from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.strategies.adapter.composing import check_kinds, to_library
from tunebook_plugins.strategies.adapter.earlier import EarlierAdapter, find_adapter
from tunebook_plugins.strategies.adapter.exporting import export_adapters
from tunebook_plugins.strategies.adapter.legality import fusions
from tunebook_plugins.strategies.adapter.making import method_config
from tunebook_plugins.strategies.adapter.plugin import AdapterConfig
from tunebook_plugins.strategies.adapter.trainer import (
    BackboneAdapterTrainer,
    BackboneFusionTrainer,
)


class Adapter:
    """Puts adapters into the backbone and activates them; the library freezes the rest.

    Trained are the fusions of the composition, or, where it has none, its last adapter.
    """

    def __init__(self, config: AdapterConfig) -> None:
        self.config = config
        self.fusions = [to_library(fuse) for fuse in fusions(config.block)]
        self.trained = config.block.adapters[-1]

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        trained = self.config.adapters.items()
        return self._build(
            model, context, [find_adapter(name, given.run, context) for name, given in trained]
        )

    def restore(self, model: nn.Module, context: StrategyContext, export: Path) -> Prepared:
        places = [EarlierAdapter(name, export / name) for name in self.config.adapters]
        return self._build(model, context, places)

    def _build(
        self, model: nn.Module, context: StrategyContext, earlier: Sequence[EarlierAdapter]
    ) -> Prepared:
        backbone = model.backbone
        try:
            adapters.init(backbone)
        except ValueError as error:
            raise ConfigError(_unsupported(context.architecture, error)) from error
        with _without_false_alarm():
            for adapter in earlier:
                adapter.add_to(backbone, context)
            if self.config.name in self.config.block.adapters:
                config = method_config(self.config, backbone, context)
                backbone.add_adapter(self.config.name, config=config)
            _read_masks_as_numbers(backbone)
            self._activate(backbone)
        return Prepared(
            model,
            context.groups(model),
            trainer=BackboneFusionTrainer if self.fusions else BackboneAdapterTrainer,
            export=partial(
                export_adapters, backbone, self.fusions or self.trained, [*self.config.adapters]
            ),
        )

    def _activate(self, backbone: nn.Module) -> None:
        check_kinds(backbone, self.config.block)
        setup = to_library(self.config.block)
        for fuse in self.fusions:
            backbone.add_adapter_fusion(fuse)
        if self.fusions:
            backbone.train_adapter_fusion(setup)
        else:
            backbone.train_adapter(self.trained)
            backbone.set_active_adapters(setup)


def _read_masks_as_numbers(backbone: nn.Module) -> None:
    """The library (1.3.0) lengthens attention masks for a prefix as if they were numbers; where
    they are truth values, as for GPT-2 with torch's fused attention, it hides the prefix."""
    configs = (backbone.adapters_config.get(name) for name in backbone.adapters_config)
    if any(config.get("architecture") == "prefix_tuning" for config in configs):
        backbone.config._attn_implementation = "eager"


@contextmanager
def _without_false_alarm() -> Iterator[None]:
    """Adding the first adapter makes the library warn that none is active yet."""
    logger = logging.getLogger("adapters.model_mixin")
    quiet = lambda record: "none are activated" not in record.getMessage()  # noqa: E731
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


def _unsupported(architecture: str, error: Exception) -> Problem:
    return Problem(
        "strategy.architecture",
        "strategy",
        "an architecture that the adapters library knows",
        f"`{architecture}`: {error}",
        "use `lora`, which works on any linear layer",
    )
