"""A loss that is no number: the run ends and its last good checkpoint stays, or it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import tiny
from tunebook.errors import TrainingError
from tunebook.host import PluginHost
from tunebook.records import find_runs
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.training import callbacks, processes

HOST = PluginHost()
STEPS = 14


@pytest.fixture
def train(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Trains with a loss that is NaN in some batches, counted from 1."""

    def run(bad: set[int], policy: str) -> Run:
        whole, seen = processes.weigh, 0

        def weigh(*given: Any) -> Any:
            nonlocal seen
            seen += 1
            loss, rows = whole(*given)
            return loss * (float("nan") if seen in bad else 1.0), rows

        monkeypatch.setattr(processes, "weigh", weigh)
        content = tiny.case_content(tiny_bert, checkpoints={"every_steps": 1, "keep": 2})
        content["training"] |= {"max_steps": STEPS, "precision": "fp32", "bad_loss": policy}
        content["evaluation"] = {"baselines": [], "bootstrap": {"resamples": 100}}
        case = CaseSchema(HOST).validate(content)
        return run_case(case, HOST, runs_dir=tmp_path, listeners=[])

    return run


def weights_in(folder: Path) -> list[torch.Tensor]:
    files = [*folder.rglob("*.safetensors")]
    assert files
    return [tensor for file in files for tensor in load_file(str(file)).values()]


def test_a_run_stops_and_its_last_good_checkpoint_stays(
    train: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "REPORTS", 1)  # it is noticed at the end only
    with pytest.raises(TrainingError) as caught:
        train({5}, "stop")
    assert caught.value.problems[0].code == "training.diverged"
    (run,) = find_runs(tmp_path)
    kept = weights_in(run.checkpoints)
    assert all(bool(torch.isfinite(each).all()) for each in kept if each.is_floating_point())
    assert run.read_record().status == "failed"


def test_a_batch_can_be_left_out(train: Callable[..., Run]) -> None:
    run = train({5, 9}, "continue")
    assert run.record.status == "succeeded"
    losses = [event["loss"] for event in run.events if event["type"] == "step"]
    assert [place for place, loss in enumerate(losses, 1) if loss is None] == [5, 9]
    told = [event["text"] for event in run.events if event["type"] == "note"]
    assert sum("was left out" in text for text in told) == 1


def test_too_many_in_a_row_end_the_run(train: Callable[..., Run]) -> None:
    with pytest.raises(TrainingError) as caught:
        train({*range(3, 100)}, "continue")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("training.diverged", "10 batches in a row")


@pytest.mark.parametrize("first", [float("nan"), 0.5])
def test_a_score_that_is_no_number_is_never_the_best(
    first: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[float] = []
    best = callbacks.BestWeights(torch.nn.Linear(1, 1), tmp_path, "f1", None, lambda _: None)  # type: ignore[arg-type]
    monkeypatch.setattr(best, "_save", lambda: saved.append(best.best or 0.0))
    state = type("State", (), {"global_step": 1, "epoch": 1.0})()
    for value in (first, 0.6, float("nan"), 0.55):
        best.on_evaluate(None, state, None, {"eval_f1": value})
    assert best.best == 0.6
    assert saved == [value for value in (first, 0.6) if value == value]
