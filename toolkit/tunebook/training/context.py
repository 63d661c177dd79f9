"""What a strategy is told about the case and the model."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from tunebook.config import TrainingConfig
from tunebook.contracts import ParamGroup

HEAD = "head."


@dataclass(frozen=True)
class Context:
    """Implements `contracts.StrategyContext`."""

    architecture: str
    config: TrainingConfig
    training: bool = True
    _embeddings: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, model: nn.Module, config: TrainingConfig, *, training: bool = True) -> Context:
        """Returns the context of a classifier that no strategy has touched yet."""
        return cls(
            model.backbone.config.model_type, config, training, frozenset(_embedding_names(model))
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

    def is_head(self, name: str) -> bool:
        return name.startswith(HEAD)

    def is_embedding(self, name: str) -> bool:
        return name in self._embeddings

    def groups(self, model: nn.Module) -> list[ParamGroup]:
        rates = {True: self.head_learning_rate, False: self.learning_rate}
        members: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                # biases and norms are vectors; decay is for matrices
                key = (self.is_head(name), parameter.ndim > 1)
                members.setdefault(key, []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": rates[head],
                "weight_decay": self.weight_decay if matrix else 0.0,
                "name": f"{'head' if head else 'backbone'}{'' if matrix else ' vectors'}",
            }
            for (head, matrix), parameters in members.items()
        ]


def _embedding_names(model: nn.Module) -> list[str]:
    """Returns parameters of lookup tables: words, positions, token types."""
    return [
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if isinstance(module, nn.Embedding)
        for name, _ in module.named_parameters(recurse=False)
    ]
