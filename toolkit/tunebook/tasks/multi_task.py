"""Several tasks on one backbone: a classifier for each, which differ in their heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn


class MultiTaskClassifier(nn.Module):
    """Classifiers that share a backbone (hard parameter sharing, Caruana 1997).

    Strategies replace or change `backbone`, as they do with a classifier of one task; parameters
    of the heads begin with ``head.``.

    Args:
        classifiers: By task, classifiers that were built on one backbone.
    """

    def __init__(self, classifiers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.classifiers = dict(classifiers)  # no submodules: each parameter has one name
        self.activate: Callable[[str], None] | None = None
        self.backbone = next(iter(self.classifiers.values())).backbone
        # an item of a ModuleDict may not be called as one of its methods, such as `type`
        self.head = nn.ModuleDict({f"of_{n}": c.head for n, c in self.classifiers.items()})
        for name, classifier in self.classifiers.items():
            classifier.register_forward_pre_hook(partial(self._enter, name))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in their order."""
        return tuple(self.classifiers)

    def forward(self, task: str, **batch: torch.Tensor) -> torch.Tensor:
        """Returns the logits (b, k) of a batch that is of one task."""
        logits: torch.Tensor = self.classifiers[task](**batch)
        return logits

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "backbone":  # a strategy may put another one in its place
            for classifier in self.classifiers.values():
                classifier.backbone = value

    def _enter(self, task: str, *_: Any) -> None:
        if self.activate is not None:
            self.activate(task)
