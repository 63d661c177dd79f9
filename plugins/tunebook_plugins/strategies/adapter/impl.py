"""Adapters through the adapters library: one alone, or composed with those of earlier runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from tunebook.composition import Stack
from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.strategies.adapter.composing import check_kinds, to_library
from tunebook_plugins.strategies.adapter.earlier import EarlierAdapter, find_adapter
from tunebook_plugins.strategies.adapter.exporting import export_adapters
from tunebook_plugins.strategies.adapter.language import (
    check_learnt,
    language_config,
    language_stage,
)
from tunebook_plugins.strategies.adapter.legality import fusions
from tunebook_plugins.strategies.adapter.making import (
    init_library,
    method_config,
    without_false_alarm,
)
from tunebook_plugins.strategies.adapter.plugin import AdapterConfig
from tunebook_plugins.strategies.adapter.trainer import (
    BackboneAdapterTrainer,
    BackboneFusionTrainer,
)


class Adapter:
    """Puts adapters into the backbone and activates them; the library freezes the rest.

    Trained are the fusions of the composition, or, where it has none, its new adapters, of which
    those of one task are active at a time; without new ones its last adapter.
    """

    def __init__(self, config: AdapterConfig) -> None:
        self.config = config
        self.fusions = [to_library(fuse) for fuse in fusions(config.block)]

    def learn_language(
        self, model: nn.Module, language_model: nn.Module, context: StrategyContext
    ) -> AbstractContextManager[None]:
        (name,) = self.config.language_adapters
        init_library(model.backbone, context)
        config = language_config(self.config.adapters[name], name, model.backbone, context)
        return language_stage(name, config, model.backbone, language_model)

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        trained = {name: given.run for name, given in self.config.adapters.items() if given.run}
        check_learnt(self.config.language_adapters, model.backbone)
        return self._build(
            model, context, [find_adapter(name, run, context) for name, run in trained.items()]
        )

    def restore(self, model: nn.Module, context: StrategyContext, export: Path) -> Prepared:
        places = [EarlierAdapter(name, export / name) for name in self.config.adapters]
        return self._build(model, context, places)

    def _build(
        self, model: nn.Module, context: StrategyContext, earlier: Sequence[EarlierAdapter]
    ) -> Prepared:
        backbone = model.backbone
        init_library(backbone, context)
        with without_false_alarm():
            for adapter in earlier:
                adapter.add_to(backbone, context)
            new = self._new(context.tasks)
            _check_free(new, self.config)
            for name in new:
                config = method_config(self.config, backbone, context)
                backbone.add_adapter(name, config=config)
            _read_masks_as_numbers(backbone)
            setups = {
                task: to_library(self.config.for_task(task)) for task in context.tasks or ("",)
            }
            trained = new or [self.config.block.adapters[-1]]
            check_kinds(backbone, self.config.for_task(next(iter(setups))))
            self._train(backbone, trained, next(iter(setups.values())))
        return Prepared(
            model,
            context.groups(model),
            trainer=BackboneFusionTrainer if self.fusions else BackboneAdapterTrainer,
            export=partial(
                export_adapters,
                backbone,
                self.fusions or trained,
                [*self.config.adapters],
                merge=self.config.merge,
            ),
            activate=self._activation(backbone, setups),
        )

    def _new(self, tasks: Sequence[str]) -> list[str]:
        """Returns the names of the adapters that are made."""
        used = [name for name in self.config.new if name in self.config.block.adapters]
        if self.config.own not in used or not tasks:
            return used
        return [*used[:-1], *map(self.config.own_of, tasks)]

    def _train(self, backbone: nn.Module, trained: Sequence[str], setup: Any) -> None:
        for fuse in self.fusions:
            backbone.add_adapter_fusion(fuse)
        if self.fusions:
            backbone.train_adapter_fusion(setup)
        else:
            backbone.train_adapter(to_library(Stack(*trained)))
            backbone.set_active_adapters(setup)

    def _activation(
        self, backbone: nn.Module, setups: Mapping[str, Any]
    ) -> Callable[[str], None] | None:
        """Returns what puts a task's own adapter to use, None where they all share one."""
        if self.config.own not in self.config.block.adapters:
            return None
        return lambda task: backbone.set_active_adapters(setups[task])


def _check_free(new: Sequence[str], config: AdapterConfig) -> None:
    taken = [name for name in new if name in config.adapters or new.count(name) > 1]
    if taken:
        raise ConfigError(
            Problem(
                "composition.name_taken",
                "strategy.own",
                f"a name that stays free with a task's after it, unlike {', '.join(taken)}",
                f"`{config.own}`",
                "rename it",
            )
        )


def _read_masks_as_numbers(backbone: nn.Module) -> None:
    """The library (1.3.0) lengthens attention masks for a prefix as if they were numbers; where
    they are truth values, as for GPT-2 with torch's fused attention, it hides the prefix."""
    configs = (backbone.adapters_config.get(name) for name in backbone.adapters_config)
    if any(config.get("architecture") == "prefix_tuning" for config in configs):
        backbone.config._attn_implementation = "eager"
