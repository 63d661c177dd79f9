"""Adapters for tiny models, and such models trained, saved and run with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from peft_models import CLASSES, FP32, HOST, case_of, prepare, train_two_steps
from tunebook.export import save_classifier
from tunebook.export.bundle import Classifier
from tunebook.models.load import load_tokenizer
from tunebook.models.resolve import resolve_model
from tunebook.runner import run_case
from tunebook.runs import Run

TEXTS = ["heart valve acute", "skin rash mild", "lung cough", "the of with"]
OPTIONS: dict[str, dict[str, Any]] = {
    "compacter": {"reduction_factor": 8},
    "prefix_tuning": {"prefix_length": 5},
    "lora": {"r": 4, "alpha": 8},
}
"""What makes a method fit a tiny model."""


def adapter(method: str = "seq_bn", **changes: Any) -> dict[str, Any]:
    """Returns a strategy that fits a tiny model."""
    return {"kind": "adapter", "method": method, **OPTIONS.get(method, {}), **changes}


Saved = tuple[Path, np.ndarray]
"""Folder of a model, and its logits before it was saved."""


def trained(folder: Path, place: Path, **strategy: Any) -> Saved:
    """Trains two steps and saves the model."""
    how = {"kind": "adapter", **strategy}
    case, prepared = case_of(folder, how), prepare(folder, how)
    train_two_steps(prepared)
    base = resolve_model(HOST.create("model", case.model).files())
    tokenizer = load_tokenizer(folder)
    save_classifier(place, prepared, tokenizer, case, CLASSES, base, FP32)
    return place, Classifier(prepared.model, tokenizer, case, CLASSES, FP32).logits(TEXTS)


def run(folder: Path, runs: Path, **strategy: Any) -> Run:
    """Runs the tiny case for a few steps."""
    training = {"max_steps": 4, "learning_rate": 3e-2, "precision": "fp32", "evaluations": 1}
    case = case_of(folder, {"kind": "adapter", **strategy}, training=training)
    return run_case(case, HOST, runs_dir=runs, listeners=[])
