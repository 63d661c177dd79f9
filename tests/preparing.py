"""Prepares and runs strategies on tiny models, for the tests of what they do to parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import tiny
from tunebook.contracts import Prepared
from tunebook.host import PluginHost
from tunebook.models.load import load_backbone
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.subject import seed_everything
from tunebook.tasks.text_classification import TextClassifier
from tunebook.training.context import Context

HOST = PluginHost()


def prepare(
    folder: Path, strategy: Any, note: Callable[[str], None] | None = None, **training: Any
) -> Prepared:
    """Returns a classifier of three classes that `strategy` has prepared."""
    content = tiny.case_content(folder, strategy=strategy)
    content["training"] |= training
    case = CaseSchema(HOST).validate(content)
    seed_everything(0)
    model = TextClassifier(load_backbone(folder), 3, case.head)
    context = Context.of(model, case.training, primary=case.evaluation.primary, note=note)
    return HOST.create("strategy", case.strategy).prepare(model, context)


def run(folder: Path, runs: Path, strategy: Any, **training: Any) -> Run:
    """Runs the tiny case with `strategy`."""
    content = tiny.case_content(folder, strategy=strategy)
    content["training"] |= training
    return run_case(CaseSchema(HOST).validate(content), HOST, runs_dir=runs, listeners=[])


def trainable(model: nn.Module) -> set[str]:
    """Returns the names of what may learn."""
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def copies(model: nn.Module) -> dict[str, torch.Tensor]:
    """Returns copies of all parameters."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def changed(model: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    """Returns the names of parameters that differ from `before`, in any bit."""
    return {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
