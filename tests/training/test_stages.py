"""A stage before the task's: it trains on its own loss, tells of it, and repeats itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from tunebook.contracts import Stage
from tunebook.errors import TrainingError
from tunebook.events import EventLog, StageStep
from tunebook.training.precision import Precision
from tunebook.training.stages import decayed_groups, run_stage

SETTINGS = {"epochs": 5, "learning_rate": 0.05, "batch_size": 8}


class Distance(nn.Module):
    """The squared distance of a linear layer's output from the sum of its input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        guessed = self.linear(self.dropout(points))[:, 0]
        return (guessed - points.sum(dim=1)).square().mean()


class Points(Dataset[dict[str, torch.Tensor]]):
    def __init__(self, scale: float = 1.0) -> None:
        self.points = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) * scale
        self.lengths = np.arange(40)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: list[int]) -> dict[str, torch.Tensor]:
        return {"points": torch.from_numpy(self.points[rows])}


def run(folder: Path, *, scale: float = 1.0, seed: int = 0) -> tuple[nn.Module, Any, EventLog]:
    model, log = Distance(), EventLog(None)
    groups = decayed_groups(model, SETTINGS["learning_rate"], 0.01)
    stage = Stage("rehearsal", "strategy", model, Points(scale), groups, SETTINGS)
    about = run_stage(stage, Precision("fp32", "a test"), seed, folder, log)
    return model, about, log


def test_a_stage_lowers_its_own_loss(tmp_path: Path) -> None:
    points = torch.from_numpy(Points().points)
    before = float(Distance().eval()(points).detach())
    model, about, _ = run(tmp_path)
    assert float(model(points).detach()) < before / 3
    assert about["steps"] == 25
    assert about["epochs"] == 5
    assert about["examples_per_second"] > 0


def test_its_steps_are_told_under_its_name(tmp_path: Path) -> None:
    """A curve of the task's loss must not begin with another loss."""
    _, about, log = run(tmp_path)
    assert len(log.events) == about["steps"]
    for event in log.events:
        assert isinstance(event, StageStep)
        assert event.to_dict()["type"] == "stage_step"
        assert event.stage == "rehearsal"
        assert event.total_steps == 25


def test_it_leaves_the_model_ready_to_predict_and_nothing_on_disk(tmp_path: Path) -> None:
    model, _, _ = run(tmp_path / "scratch")
    assert not model.training
    assert type(model.dropout) is nn.Dropout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, second, other = (run(tmp_path, seed=seed)[0].linear.weight for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_stage_that_diverges_names_its_own_settings(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        run(tmp_path, scale=1e30)
    (problem,) = caught.value.problems
    assert problem.code == "training.diverged"
    assert problem.where.startswith("rehearsal, step ")
    assert "strategy.learning_rate" in problem.fix


def test_matrices_decay_and_vectors_do_not() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    model[2].weight.requires_grad = False
    matrices, vectors = decayed_groups(model, 0.1, 0.01)
    assert [p.ndim for p in matrices["params"]] == [2]
    assert [p.ndim for p in vectors["params"]] == [1, 1, 1, 1]
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.01, 0.0)
    assert matrices["lr"] == vectors["lr"] == 0.1
