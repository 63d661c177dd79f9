"""Stages open when they should, wait untouched until then, and any of them can be the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import TrainerCallback, TrainerState

import tiny
from fresh_process import fresh_logits
from preparing import HOST, changed, copies, prepare, run, trainable
from tunebook.config import TrainingConfig
from tunebook.contracts import Prepared
from tunebook.errors import ConfigError
from tunebook.export import load_classifier
from tunebook.runner import run_case
from tunebook.schema import CaseSchema
from tunebook.training.context import Context
from tunebook.training.inputs import TokenInputs
from tunebook.training.loop import TrainingJob, train
from tunebook.training.precision import Precision
from tunebook_plugins.strategies.gradual_unfreezing.callback import Stage, Unfreezing
from tunebook_plugins.strategies.gradual_unfreezing.plugin import GradualUnfreezingConfig

PARTS = {"embeddings": ".embeddings.", "1": ".layer.0.", "2": ".layer.1.", "head": "head."}
IDS = [[2, 7 + n % 9, 17 + n % 5, 20, 3] for n in range(24)]


def unfreezing(**fields: Any) -> dict[str, Any]:
    return {"kind": "gradual_unfreezing", **fields}


def parts(names: Sequence[str] | set[str]) -> set[str]:
    return {part for part, place in PARTS.items() if any(place in name for name in names)}


class Watch(TrainerCallback):
    """Notes what each step changed, and what the optimiser and the model look like after it."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.before = copies(model)
        self.moved: list[set[str]] = []
        self.learning: list[set[str]] = []
        self.rates: list[list[float]] = []
        self.states: list[int] = []
        self.after: list[dict[str, torch.Tensor]] = []

    def on_step_end(self, *_: Any, optimizer: Any, **__: Any) -> None:
        self.moved.append(changed(self.model, self.before))
        self.learning.append(trainable(self.model))
        self.rates.append([group["lr"] for group in optimizer.param_groups])
        self.states.append(len(optimizer.state))
        self.before = copies(self.model)
        self.after.append(self.before)


def learn(prepared: Prepared, folder: Path, scores: Sequence[float] = (), **config: Any) -> Watch:
    """Trains on 24 texts in steps of 8, three an epoch; validation scores are given."""
    watch, told = Watch(prepared.model), iter(scores)
    settings = {"epochs": 4, "batch_size": 8, "warmup": 0.0, "schedule": "constant"}
    inputs = TokenInputs(IDS, np.arange(24), np.arange(24) % 3, 0)
    job = TrainingJob(
        prepared=replace(prepared, callbacks=[*prepared.callbacks, watch]),
        train=inputs,
        validation=inputs,
        score=lambda _: {"macro_f1": next(told, 0.0)},
        primary="macro_f1",
        config=TrainingConfig(**(settings | {"evaluations": max(len(scores), 1)} | config)),
        precision=Precision("fp32", "a test"),
        seed=0,
        folder=folder,
    )
    train(job)
    return watch


def moved_parts(watch: Watch) -> list[set[str]]:
    return [parts(names) for names in watch.moved]


HEAD, TOP, BOTH = {"head"}, {"head", "2"}, {"head", "2", "1"}
ALL = {*BOTH, "embeddings"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [HEAD] * 3 + [TOP] * 3 + [BOTH] * 3 + [ALL] * 3),
        ({"every": 2}, [HEAD] * 6 + [TOP] * 6),
        ({"layers_per_stage": 2}, [HEAD] * 3 + [BOTH] * 3 + [ALL] * 6),
        ({"train_embeddings": False}, [HEAD] * 3 + [TOP] * 3 + [BOTH] * 6),
        ({"unfreeze": "steps", "every": 5}, [HEAD] * 5 + [TOP] * 5 + [BOTH] * 2),
        ({"stages": [[-1]]}, [HEAD] * 3 + [TOP] * 9),
        ({"stages": [[-1], [1]]}, [HEAD] * 3 + [TOP] * 3 + [BOTH] * 6),
        ({"stages": [[0, 2, 1]]}, [HEAD] * 3 + [ALL] * 9),
        ({"stages": []}, [HEAD] * 12),
    ],
)
def test_stages_open_from_the_head_down(
    tiny_bert: Path, tmp_path: Path, fields: dict[str, Any], expected: list[set[str]]
) -> None:
    """The part that each of the twelve steps of four epochs changed."""
    watch = learn(prepare(tiny_bert, unfreezing(**fields)), tmp_path, weight_decay=0.1)
    assert moved_parts(watch) == expected


def test_gradients_may_be_summed_over_batches(tiny_bert: Path, tmp_path: Path) -> None:
    watch = learn(prepare(tiny_bert, unfreezing()), tmp_path, gradient_accumulation=2)
    assert moved_parts(watch) == [HEAD] * 2 + [TOP] * 2 + [BOTH] * 2 + [ALL] * 2


@pytest.mark.parametrize(("patience", "opened"), [(1, [1, 1, 1, 2, 3, 3]), (2, [1, 1, 1, 1, 2, 2])])
def test_a_plateau_opens_the_next_stage(
    tiny_bert: Path, tmp_path: Path, patience: int, opened: list[int]
) -> None:
    """Evaluations come after every second step; the third and the fourth bring nothing new."""
    prepared = prepare(tiny_bert, unfreezing(unfreeze="plateau", patience=patience))
    watch = learn(prepared, tmp_path, scores=[0.1, 0.2, 0.2, 0.1, 0.3, 0.4])
    assert [len(names) for names in moved_parts(watch)] == [n for n in opened for _ in range(2)]


def test_a_score_that_no_metric_gives_is_told(tiny_bert: Path, tmp_path: Path) -> None:
    prepared = prepare(tiny_bert, unfreezing(unfreeze="plateau", score="makro_f1"))
    with pytest.raises(ConfigError) as caught:
        learn(prepared, tmp_path)
    assert caught.value.problems[0].fix == "did you mean `macro_f1`?"


@pytest.mark.parametrize("score", ["makro_f1", "loss"])
def test_a_score_that_no_metric_gives_is_told_before_a_step_is_taken(
    tiny_bert: Path, tmp_path: Path, score: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run(tiny_bert, tmp_path, unfreezing(unfreeze="plateau", score=score))
    (problem,) = caught.value.problems
    assert (problem.code, problem.found) == ("strategy.score", f"`{score}`")
    assert "`macro_f1`" in problem.fix
    (events,) = tmp_path.rglob("events.jsonl")
    assert '"step"' not in events.read_text()


def test_a_stage_without_layers_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_bert, unfreezing(stages=[[-1], []]))
    assert caught.value.problems[0].where == "strategy.stages.1"


def test_an_error_that_falls_is_no_plateau(tiny_bert: Path) -> None:
    model = prepare(tiny_bert, unfreezing()).model
    context = Context.of(model, TrainingConfig(), primary="rmse", lower_is_better=["rmse"])
    config = GradualUnfreezingConfig(unfreeze="plateau")
    callback = Unfreezing(config, [Stage("one", []), Stage("two", [])], context)
    opened = []
    for value in (3.0, 2.0, 1.0, 1.0, 0.5, 0.7):
        callback.on_evaluate(metrics={"eval_rmse": value})
        callback.on_step_begin(None, TrainerState())
        opened.append(callback.opened)
    assert opened == [0, 0, 0, 1, 1, 2]


def test_an_improvement_ends_the_wait(tiny_bert: Path) -> None:
    """Two evaluations without one in a row open a stage, two with one between them don't."""
    context = Context.of(prepare(tiny_bert, unfreezing()).model, TrainingConfig(), primary="f1")
    config = GradualUnfreezingConfig(unfreeze="plateau", patience=2)
    callback = Unfreezing(config, [Stage("one", [])], context)
    opened = []
    for value in (0.1, 0.1, 0.2, 0.2, 0.2):
        callback.on_evaluate(metrics={"eval_f1": value})
        callback.on_step_begin(None, TrainerState())
        opened.append(callback.opened)
    assert opened == [0, 0, 0, 0, 1]


def test_a_plateau_is_of_the_primary_score(tiny_bert: Path, tmp_path: Path) -> None:
    content = tiny.case_content(
        tiny_bert,
        strategy=unfreezing(unfreeze="plateau"),
        metrics=["accuracy"],
        evaluation={"primary": "accuracy", "bootstrap": {"resamples": 100}},
    )
    trained = run_case(CaseSchema(HOST).validate(content), HOST, runs_dir=tmp_path, listeners=[])
    assert trained.record.status == "succeeded"


def test_the_optimizer_has_every_group_from_the_start(tiny_bert: Path, tmp_path: Path) -> None:
    prepared = prepare(tiny_bert, unfreezing(decay=0.5), learning_rate=1e-3)
    names = [group["name"] for group in prepared.groups]
    assert set(names) == {
        f"{name}{ending}"
        for name in ("embeddings", "layer 1", "layer 2", "head")
        for ending in ("", " vectors")
    }
    watch = learn(prepared, tmp_path, schedule="linear")
    start = [group["lr"] for group in prepared.groups]
    assert len(watch.rates) == 12
    for step, rates in enumerate(watch.rates, start=1):
        assert rates == pytest.approx([rate * (1 - step / 12) for rate in start])


def test_moments_begin_when_a_stage_opens(tiny_bert: Path, tmp_path: Path) -> None:
    """A first step of Adam is as long as the rate, whatever the gradient: nothing was carried."""
    prepared = prepare(tiny_bert, unfreezing(), learning_rate=1e-3, weight_decay=0.0)
    watch = learn(prepared, tmp_path)
    assert watch.states == [2] * 3 + [18] * 3 + [34] * 3 + [39] * 3
    name = "backbone.encoder.layer.1.output.dense.weight"
    waiting, first = watch.after[2][name], watch.after[3][name]
    steps = (first - waiting).abs()
    assert float(steps.max()) == pytest.approx(1e-3, rel=1e-2)
    assert float(steps.median()) == pytest.approx(1e-3, rel=1e-2)


def test_between_steps_everything_is_as_it_was_declared(tiny_bert: Path, tmp_path: Path) -> None:
    prepared = prepare(tiny_bert, unfreezing(stages=[[2], [1]]))
    declared = trainable(prepared.model)
    assert parts(declared) == BOTH
    watch = learn(prepared, tmp_path)
    # the watch comes after the strategy's own callback, as an evaluation does
    assert watch.learning == [declared] * 12
    assert trainable(prepared.model) == declared


@pytest.mark.parametrize("best", range(4))
def test_the_best_weights_are_right_whatever_stage_they_are_of(
    tiny_bert: Path, tmp_path: Path, best: int
) -> None:
    """One evaluation an epoch, in which one stage is open; later ones change more."""
    prepared = prepare(tiny_bert, unfreezing())
    scores = [1.0 if epoch == best else 0.5 for epoch in range(4)]
    watch = learn(prepared, tmp_path, scores=scores)
    expected = watch.after[3 * best + 2]
    assert len(expected) == 39
    assert changed(prepared.model, expected) == set()
    if best < 3:
        assert changed(prepared.model, watch.after[-1])


@pytest.mark.parametrize("fields", [{}, {"stages": [[2], [1]]}, {"unfreeze": "steps", "every": 9}])
def test_a_saved_run_is_the_trained_one(
    tiny_bert: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    import pandas as pd

    trained = run(tiny_bert, tmp_path, unfreezing(**fields), epochs=4)
    frame = pd.read_parquet(trained.directory.predictions)
    again = load_classifier(trained.directory).predict(frame["text"].tolist())
    assert [row["label"] for row in again] == frame["predicted"].tolist()
    assert np.allclose([row["confidence"] for row in again], frame["confidence"], atol=1e-6)
    # what will learn at some time counts, not what the first stage opens
    expected = 0.83 if "stages" in fields else 1.0
    assert trained.record.parameters["share"] == pytest.approx(expected, abs=0.005)


@pytest.mark.slow
def test_a_fresh_process_loads_the_same_weights(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, unfreezing(stages=[[-1]]), epochs=3)
    here = trained.classifier.logits(["heart valve", "skin rash"]).tolist()
    assert fresh_logits(trained.directory.path, ["heart valve", "skin rash"]) == here


def test_a_rebuilt_model_has_the_final_structure(tiny_bert: Path) -> None:
    prepared = prepare(tiny_bert, unfreezing())
    context = Context.of(prepared.model, TrainingConfig(), training=False)
    config = HOST.get("strategy", "gradual_unfreezing").config()
    again = HOST.create("strategy", config).prepare(prepared.model, context)
    assert trainable(again.model) == {name for name, _ in again.model.named_parameters()}


def test_stages_that_open_are_told_and_those_that_never_will(
    tiny_bert: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    learn(prepare(tiny_bert, unfreezing(), note=told.append), tmp_path, epochs=2)
    assert told == [
        "training ends before these stages open: layer 1, the embeddings",
        "from step 4 on layer 2 learns",
    ]


def test_a_final_norm_learns_from_the_first_step(tiny_gpt2: Path, tmp_path: Path) -> None:
    watch = learn(prepare(tiny_gpt2, unfreezing()), tmp_path, epochs=1)
    norm = {"backbone.ln_f.weight", "backbone.ln_f.bias"}
    assert watch.moved[0] == {"head.linear.weight", "head.linear.bias"} | norm


@pytest.mark.parametrize(
    ("fields", "where", "found"),
    [
        ({"layers_per_stage": 3}, "strategy.layers_per_stage", ["3"]),
        ({"stages": [[3], [-3]]}, "strategy.stages", ["3", "-3"]),
        ({"stages": [[2], [1, -1]]}, "strategy.stages", ["layer 2 (or -1) more than once"]),
    ],
)
def test_layers_that_there_arent_are_told(
    tiny_bert: Path, fields: dict[str, Any], where: str, found: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_bert, unfreezing(**fields))
    assert [problem.found for problem in caught.value.problems] == found
    assert {problem.where for problem in caught.value.problems} == {where}
    if "more than once" not in found[0]:
        assert "the model has 2 layers" in caught.value.problems[0].expected
