"""What a strategy is told about the case and the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from tunebook.config import TrainingConfig
from tunebook.contracts import GroupOf, ParamGroup
from tunebook.models.layers import Layers, find_layers
from tunebook.records import RunDirectory, find_run, runs_folder

HEAD = "head."
BACKBONE = "backbone."


@dataclass(frozen=True)
class Context:
    """Implements `contracts.StrategyContext`."""

    architecture: str
    config: TrainingConfig
    training: bool = True
    free_positions: int | None = None
    weights: str | None = None
    primary: str | None = None
    scores: Collection[str] = ()
    lower_is_better: Collection[str] = ()
    tasks: tuple[str, ...] = ()
    _encode: Callable[[str], list[int]] | None = None
    _embeddings: frozenset[str] = field(default_factory=frozenset)
    _layers: Layers = field(default_factory=Layers)
    _note: Callable[[str], None] | None = None

    @classmethod
    def of(
        cls,
        model: nn.Module,
        config: TrainingConfig,
        *,
        training: bool = True,
        free_positions: int | None = None,
        weights: str | None = None,
        primary: str | None = None,
        scores: Collection[str] = (),
        lower_is_better: Collection[str] = (),
        encode: Callable[[str], list[int]] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> Context:
        """Returns the context of a classifier that no strategy has touched yet.

        Args:
            model: The classifier.
            config: Rates and weight decay.
            training: False when a saved model is being rebuilt.
            free_positions: What the longest input leaves of the model's window.
            weights: Hash of the pretrained weights.
            primary: The validation score that choices are made on.
            scores: Validation scores that there are.
            lower_is_better: Validation scores that are better the lower they are.
            encode: Makes token numbers of a text, without special tokens.
            note: Told what a reader of the run should know.
        """
        return cls(
            model.backbone.config.model_type,
            config,
            training,
            free_positions=free_positions,
            weights=weights,
            primary=primary,
            scores=scores,
            lower_is_better=lower_is_better,
            tasks=getattr(model, "tasks", ()),
            _encode=encode,
            _embeddings=frozenset(_embedding_names(model)),
            _layers=find_layers(model.backbone),
            _note=note,
        )

    @property
    def learning_rate(self) -> float:
        return self.config.learning_rate

    @property
    def head_learning_rate(self) -> float:
        return self.config.head_learning_rate or self.config.learning_rate

    @property
    def weight_decay(self) -> float:
        return self.config.weight_decay

    @property
    def layers(self) -> int:
        return self._layers.count

    def model_of(self, run: str) -> Path:
        return find_run(_runs_dir(), run).model

    def tokenize(self, text: str) -> list[int]:
        if self._encode is None:
            raise RuntimeError("this context was made without a tokenizer")
        return self._encode(text)

    def is_head(self, name: str) -> bool:
        return name.startswith(HEAD)

    def is_embedding(self, name: str) -> bool:
        return name in self._embeddings

    def depth_of(self, name: str) -> int:
        return self._layers.depth_of(name.removeprefix(BACKBONE))

    def frozen_layers(self, model: nn.Module) -> int:
        learning = [
            self.depth_of(name)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and not self.is_head(name)
        ]
        return max(min(learning, default=self.layers + 1) - 1, 0)

    def by_depth(self, decay: float = 1.0) -> GroupOf:
        top = self.layers + 1
        named = {0: "embeddings", top: "top"}

        def group_of(name: str) -> tuple[str, float]:
            if self.is_head(name):
                return "head", self.head_learning_rate
            depth = self.depth_of(name)
            return named.get(depth, f"layer {depth}"), self.learning_rate * decay ** (top - depth)

        return group_of

    def groups(self, model: nn.Module, group_of: GroupOf | None = None) -> list[ParamGroup]:
        group_of = group_of or self._head_or_backbone
        members: dict[tuple[str, float, bool], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                # biases and norms are vectors; decay is for matrices
                members.setdefault((*group_of(name), parameter.ndim > 1), []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": rate,
                "weight_decay": self.weight_decay if matrix else 0.0,
                "name": f"{group}{'' if matrix else ' vectors'}",
            }
            for (group, rate, matrix), parameters in members.items()
        ]

    def note(self, text: str) -> None:
        if self._note is not None:
            self._note(text)

    def _head_or_backbone(self, name: str) -> tuple[str, float]:
        if self.is_head(name):
            return "head", self.head_learning_rate
        return "backbone", self.learning_rate


def _runs_dir() -> Path:
    """Earlier runs lie beside the one that a command has started, else where the runner looks."""
    started = os.environ.get("TUNEBOOK_RUN_DIR")
    if started:
        return RunDirectory(Path(started)).runs_dir
    return runs_folder()


def _embedding_names(model: nn.Module) -> list[str]:
    """Returns parameters of lookup tables: words, positions, token types."""
    return [
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if isinstance(module, nn.Embedding)
        for name, _ in module.named_parameters(recurse=False)
    ]
