"""Adapters in a multi-task case: one that all tasks share, and one that each has to itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import tiny
from tunebook.errors import ConfigError
from tunebook.export import load_classifiers
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema

pytestmark = pytest.mark.adapters

HOST = PluginHost()
TEXTS = ["heart valve acute", "skin rash left", "lung cough"]
STACK = {"kind": "adapter", "name": "shared", "own": "own", "reduction_factor": 4}


def rows() -> list[dict[str, Any]]:
    return [row | {"side": "left" if "left" in row["text"] else "none"} for row in tiny.rows()]


def train(
    folder: Path,
    runs: Path,
    strategy: Any,
    *,
    tasks: bool = True,
    label: str = "",
    pretraining: Any = None,
) -> Run:
    content = tiny.case_content(
        folder,
        data={"kind": "memory", "rows": rows()},
        tasks={"topic": {}, "type": {"task": {"label": "side"}}} if tasks else {},
        split={"kind": "grouped"},
        strategy=strategy,
        pretraining=pretraining,
    )
    content["training"] |= {"epochs": 2, "learning_rate": 1e-2, "head_learning_rate": 1e-2}
    content["task"] |= {"label": label} if label else {}
    return run_case(CaseSchema(HOST).validate(content), HOST, runs_dir=runs, listeners=[])


@pytest.fixture(scope="module")
def stacked(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tiny_bert, tmp_path_factory.mktemp("runs"), STACK)


def parts(run: Run, adapter: str) -> dict[str, torch.Tensor]:
    """Returns the parameters of one adapter of a trained model."""
    named = run.task("topic").classifier.model.backbone.named_parameters()
    return {name: p.detach() for name, p in named if f".{adapter}." in name}


def test_there_is_a_shared_adapter_and_one_for_each_task(stacked: Run) -> None:
    sizes = {
        name: sum(p.numel() for p in parts(stacked, name).values())
        for name in ("shared", "own_topic", "own_type", "own")
    }
    one = 2 * (2 * 32 * 8 + 32 + 8)
    assert sizes == {"shared": one, "own_topic": one, "own_type": one, "own": 0}
    heads = 3 * 32 + 3 + 2 * 32 + 2
    assert stacked.record.parameters["trainable"] == 3 * one + heads


@pytest.mark.parametrize(("task", "other"), [("topic", "type"), ("type", "topic")])
def test_a_task_hears_its_own_adapter_and_not_another_s(
    stacked: Run, task: str, other: str
) -> None:
    both = load_classifiers(stacked.directory)
    before = both[task].logits(TEXTS)
    both[other].logits(TEXTS)  # the other one's adapter is active now
    assert np.array_equal(both[task].logits(TEXTS), before)
    named = dict(both[task].model.backbone.named_parameters())
    heard = {}
    for adapter in (f"own_{task}", f"own_{other}", "shared"):
        weights = [p for name, p in named.items() if f".{adapter}." in name]
        kept = [p.detach().clone() for p in weights]
        with torch.no_grad():
            for weight in weights:
                weight.add_(0.5)
            heard[adapter] = not np.array_equal(both[task].logits(TEXTS), before)
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
    assert heard == {f"own_{task}": True, f"own_{other}": False, "shared": True}


def test_every_adapter_has_learnt(stacked: Run) -> None:
    for adapter in ("shared", "own_topic", "own_type"):
        up = [p for name, p in parts(stacked, adapter).items() if "up" in name and p.ndim == 1]
        assert len(up) == 2
        assert all(bool(p.any()) for p in up)  # they begin at zero


def test_a_loaded_model_switches_between_tasks(stacked: Run) -> None:
    for run in (*stacked.tasks.values(), *stacked.tasks.values()):
        frame = pd.read_parquet(run.place.predictions)
        again = run.classifier.predict(frame["text"].tolist())
        assert np.allclose([row["confidence"] for row in again], frame["confidence"], atol=1e-6)


def test_without_own_adapters_the_tasks_share_one(tiny_bert: Path, tmp_path: Path) -> None:
    run = train(tiny_bert, tmp_path, "adapter")
    assert parts(run, "task")
    assert run.record.parameters["share"] < 0.1


@pytest.mark.slow
def test_adapters_of_two_runs_are_fused_for_two_tasks(tiny_bert: Path, tmp_path: Path) -> None:
    one, two = (
        train(tiny_bert, tmp_path, {"kind": "adapter"}, tasks=False, label=label)
        for label in ("label", "side")
    )
    adapters = {"a": {"run": str(one.directory.path)}, "b": {"run": str(two.directory.path)}}
    fused = {"kind": "adapter", "composition": {"fuse": ["a", "b"]}, "adapters": adapters}
    run = train(tiny_bert, tmp_path, fused)
    assert {*run.tasks} == {"topic", "type"}
    stack = {"stack": ["a", "own"]}
    above = {"kind": "adapter", "own": "own", "composition": stack}
    run = train(tiny_bert, tmp_path, {**above, "adapters": {"a": adapters["a"]}})
    theirs = one.classifier.model.backbone.named_parameters()
    frozen = {n.replace(".task.", ".a."): p for n, p in theirs if ".task." in n}
    assert frozen
    assert all(torch.equal(p, frozen[name]) for name, p in parts(run, "a").items())


@pytest.mark.slow
def test_a_language_adapter_lies_below_those_of_all_tasks(tiny_bert: Path, tmp_path: Path) -> None:
    stack = {"stack": ["language", "shared", "own"]}
    strategy = STACK | {"adapters": {"language": {}}, "composition": stack}
    learnt = {"method": "adapter", "max_steps": 2}
    run = train(tiny_bert, tmp_path, strategy, pretraining=learnt)
    assert run.record.training["pretraining"]["method"] == "adapter"
    named = dict(run.task("type").classifier.model.backbone.named_parameters())
    assert {name.split(".")[-3] for name in named if ".adapters." in name} >= {"language"}
    one = 2 * (2 * 32 * 8 + 32 + 8)
    assert run.record.parameters["trainable"] == 3 * one + 3 * 32 + 3 + 2 * 32 + 2
    stored = load_file(str(run.directory.model / "trained.safetensors"))
    assert not any(".language." in name for name in stored)
    for task, loaded in load_classifiers(run.directory).items():
        frame = pd.read_parquet(run.task(task).place.predictions)
        again = loaded.predict(frame["text"].tolist())
        assert np.allclose([row["confidence"] for row in again], frame["confidence"], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"own": "shared"}, "composition.name_taken"),
        ({"composition": {"stack": ["shared", "onw"]}}, "composition.unknown_adapter"),
        ({"composition": {"fuse": ["shared", "own"]}}, "composition.fuse_untrained"),
        ({"composition": {"multi_task": ["shared", "own"]}}, "composition.one_task"),
        ({"adapters": {"own": {"run": "x"}}}, "composition.name_taken"),
    ],
)
def test_what_cannot_be_composed_is_told_before_anything_is_loaded(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    content = tiny.case_content(tmp_path / "nothing", strategy=STACK | changes)
    with pytest.raises(ConfigError) as caught:
        CaseSchema(HOST).validate(content)
    assert code in {problem.code for problem in caught.value.problems}
