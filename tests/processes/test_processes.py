"""One model trained by several processes: the same run as in one, and none that hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import yaml

import tiny
from tunebook.errors import ConfigError
from tunebook.events import read_events
from tunebook.host import PluginHost
from tunebook.notebooks.launch import launch, make_plan
from tunebook.notebooks.processes import _died
from tunebook.records import RunDirectory
from tunebook.runs import Run
from tunebook.training import processes

TRAINING = {
    "epochs": 2,
    "batch_size": 7,  # shares are uneven, and the last batch of an epoch is shorter
    "gradient_accumulation": 2,
    "class_weights": "balanced",
    "learning_rate": 3e-3,
    "head_learning_rate": 3e-3,
    "precision": "fp32",
    "evaluations": 3,
    "hidden_dropout": 0.0,  # several processes draw it differently
}


def write_case(folder: Path, model: Path, **changes: Any) -> Path:
    changes = {"head": {"dropout": 0.0}} | changes
    content = tiny.case_content(model, training=TRAINING | changes.pop("training", {}), **changes)
    file = folder / "case.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def told(run: RunDirectory, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(run.events_file) if event["type"] == kind]


@pytest.mark.slow
def test_two_processes_come_to_the_losses_and_metrics_of_one(
    tmp_path: Path, tiny_bert: Path
) -> None:
    # parts of the model are held back and open while it trains
    strategy = {"kind": "gradual_unfreezing", "unfreeze": "steps", "every": 5}
    case = write_case(tmp_path, tiny_bert, strategy=strategy)
    host = PluginHost()
    runs = {
        count: launch(make_plan(host, str(case), {}), host, tmp_path / "runs", processes=count)
        for count in (1, 2)
    }
    (one, alone), (two, together) = runs[1], runs[2]
    assert (alone.status, together.status) == ("succeeded", "succeeded"), together.error
    assert together.hardware["processes"] == {"count": 2, "backend": "gloo", "threads": 1}
    assert "processes" not in alone.hardware
    steps = [[(e["step"], e["loss"]) for e in told(run, "step")] for run in (one, two)]
    assert len(steps[0]) == together.training["steps"] >= 8
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-4)
    scores = [[e["scores"]["macro_f1"] for e in told(run, "evaluation")] for run in (one, two)]
    np.testing.assert_allclose(*scores, rtol=1e-6)
    logits = [Run(run).classifier().logits(["heart and blood", "bone"]) for run in (one, two)]
    np.testing.assert_allclose(*logits, rtol=1e-3, atol=1e-4)
    assert alone.report is not None
    assert together.report is not None
    for name, estimate in alone.report.scores.items():
        assert together.report.scores[name].value == pytest.approx(estimate.value, abs=1e-6)
    assert {e.name for e in one.path.iterdir()} == {e.name for e in two.path.iterdir()}
