"""`training.epochs: 0`: no task training, where the head can predict without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from tunebook.errors import ConfigError
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.models.load import load_backbone
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema

HOST = PluginHost()
TEXTS = ["heart valve acute", "skin rash mild", "lung cough"]
PAIRS = {"kind": "contrastive", "learning_rate": 1e-3, "pairs_per_text": 6}
READY = [
    pytest.param({"strategy": PAIRS}, id="contrastive"),
    pytest.param({"strategy": "lora", "head": {"init": "probe"}}, id="lora on a probe"),
    pytest.param(
        {"strategy": "feature_extraction", "head": {"init": "probe"}}, id="the probe alone"
    ),
]


def content(folder: Path, **changes: Any) -> dict[str, Any]:
    made = tiny.case_content(folder, **changes)
    return made | {"training": made["training"] | {"epochs": 0, "min_steps": 50}}


def run(folder: Path, runs: Path, **changes: Any) -> Run:
    case = CaseSchema(HOST).validate(content(folder, **changes))
    return run_case(case, HOST, runs_dir=runs, listeners=[])


@pytest.mark.parametrize("changes", READY)
def test_a_head_that_is_fitted_is_scored_and_saved_as_it_is(
    tiny_bert: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    trained = run(tiny_bert, tmp_path, **changes)
    assert trained.record.status == "succeeded"
    assert trained.record.training["steps"] == trained.record.training["planned_steps"] == 0
    (scored,) = [event for event in trained.events if event["type"] == "evaluation"]
    assert scored["step"] == trained.record.training["best_step"] == 0
    assert scored["scores"]["macro_f1"] == trained.record.training["best"]
    assert trained.report.scores["macro_f1"].value > 0.6
    logits = trained.classifier.logits(TEXTS)
    assert np.array_equal(load_classifier(trained.directory).logits(TEXTS), logits)


def test_a_probe_alone_leaves_the_backbone_as_it_was(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, strategy="full", head={"init": "probe"})
    pretrained = dict(load_backbone(tiny_bert).named_parameters())
    kept = dict(trained.classifier.model.backbone.named_parameters())
    assert len(kept) == len(pretrained) >= 30
    assert all(np.array_equal(kept[n].detach(), p.detach()) for n, p in pretrained.items())


def test_label_words_answer_without_training(tiny_t5: Path, tmp_path: Path) -> None:
    trained = run(tiny_t5, tmp_path, strategy="lora", head={"form": "label_words"})
    assert trained.record.training["steps"] == 0
    assert 0 <= trained.report.scores["accuracy"].value <= 1


def test_a_random_head_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        CaseSchema(HOST).validate(content(tiny_bert, strategy="full"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("config.untrained_head", "training.epochs")
    assert "head.init=probe" in problem.fix


@pytest.mark.slow
def test_what_contrastive_stages_have_made_is_scored_before_the_task_stage(
    tiny_bert: Path, tmp_path: Path
) -> None:
    """A task stage that ruins the model doesn't cost what was there before it."""
    made = tiny.case_content(tiny_bert, strategy=PAIRS)
    ruin = {"epochs": 2, "learning_rate": 1.0, "head_learning_rate": 1.0, "warmup": 0.0}
    case = CaseSchema(HOST).validate(made | {"training": made["training"] | ruin})
    trained = run_case(case, HOST, runs_dir=tmp_path, listeners=[])
    first, *later = [e for e in trained.events if e["type"] == "evaluation"]
    assert first["step"] == 0
    assert first["scores"]["macro_f1"] > max(e["scores"]["macro_f1"] for e in later)
    assert trained.record.training["best_step"] == 0
    assert trained.report.scores["macro_f1"].value > 0.8
