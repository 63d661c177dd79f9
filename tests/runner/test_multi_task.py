"""Several tasks on one backbone: one training, and a result, errors and a classifier for each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tiny
from tunebook.errors import ConfigError
from tunebook.export import load_classifier, load_classifiers
from tunebook.host import PluginHost
from tunebook.rates import find_learning_rate
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.tasks.multi_task import MultiTaskClassifier

HOST = PluginHost()
TEXTS = ["heart valve acute", "skin rash left", "lung cough", "the of with"]
TASKS = {"topic": {}, "type": {"task": {"label": "side"}, "metrics": ["accuracy", "f1"]}}


def rows() -> list[dict[str, Any]]:
    """Returns the tiny texts; `side` tells those with a certain word from the others."""
    return [row | {"side": "left" if "left" in row["text"] else "none"} for row in tiny.rows()]


def case(folder: Path, **changes: Any) -> Any:
    content = tiny.case_content(
        folder,
        **{"data": {"kind": "memory", "rows": rows()}, "tasks": TASKS}
        | {"split": {"kind": "grouped"}}
        | changes,
    )
    return CaseSchema(HOST).validate(content)


def train(folder: Path, runs: Path, **changes: Any) -> Run:
    return run_case(case(folder, **changes), HOST, runs_dir=runs, listeners=[])


@pytest.fixture(scope="module")
def finished(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tiny_bert, tmp_path_factory.mktemp("runs"))


def test_every_task_learns(finished: Run) -> None:
    scores = {name: run.report.scores["macro_f1"].value for name, run in finished.tasks.items()}
    assert [*scores] == ["topic", "type"]
    assert scores["topic"] > 0.9
    assert scores["type"] > 0.6


def test_every_task_has_its_own_report_beside_its_own_baselines(finished: Run) -> None:
    topic, kind = (finished.task(name).report for name in TASKS)
    assert topic.classes == ("heart", "lung", "skin")
    assert kind.classes == ("left", "none")
    assert {*topic.scores} > {*kind.scores} == {"accuracy", *_of("f1")}
    for report in (topic, kind):
        assert {c.against for c in report.comparisons} == {"majority", "tfidf"}
        assert all(e.low <= e.value <= e.high for e in report.scores.values())


def _of(metric: str) -> tuple[str, ...]:
    return HOST.get("metric", metric).scores


def test_every_task_has_its_own_files(finished: Run) -> None:
    for run in finished.tasks.values():
        frame = pd.read_parquet(run.place.predictions)
        assert {*frame["label"]} <= {*run.report.classes}
        assert len(frame) == run.report.rows
        assert (run.place.figures / "classes.png").is_file()
        assert run.place.report.is_file()
    assert [path.name for path in finished.directory.figures.iterdir()] == ["training.png"]
    whole = finished.directory.report.read_text(encoding="utf-8")
    assert whole.count("<h2>Task ") == 2
    assert whole.count("data:image/png;base64,") >= 5


def test_the_best_weights_have_the_best_mean(finished: Run) -> None:
    scored = [e["scores"] for e in finished.events if e["type"] == "evaluation"]
    assert len(scored) == 3
    for scores in scored:
        both = [scores["topic.macro_f1"], scores["type.macro_f1"]]
        assert scores["mean_of_tasks"] == pytest.approx(np.mean(both))
    best = max(scores["mean_of_tasks"] for scores in scored)
    assert finished.record.training["best"] == pytest.approx(best)


def test_saved_classifiers_say_what_the_run_said_and_share_a_backbone(finished: Run) -> None:
    loaded = load_classifiers(finished.directory)
    for name, classifier in loaded.items():
        frame = pd.read_parquet(finished.task(name).place.predictions)
        again = classifier.predict(frame["text"].tolist())
        assert [row["label"] for row in again] == frame["predicted"].tolist()
        assert np.allclose([row["confidence"] for row in again], frame["confidence"], atol=1e-6)
    assert loaded["topic"].model.backbone is loaded["type"].model.backbone


READ = """
import json, sys
from tunebook.export import load_classifiers
loaded = load_classifiers(sys.argv[1])
texts = json.loads(sys.argv[2])
print(json.dumps({name: each.logits(texts).tolist() for name, each in loaded.items()}))
"""


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_logits(finished: Run) -> None:
    command = [sys.executable, "-c", READ, str(finished.directory.model), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    here = load_classifiers(finished.directory)
    expected = {name: each.logits(list(TEXTS)).tolist() for name, each in here.items()}
    assert json.loads(done.stdout) == expected


def test_a_task_must_be_named_and_there(finished: Run) -> None:
    for name, fix in (("", "use one of `topic`, `type`"), ("topc", "did you mean `topic`?")):
        with pytest.raises(ConfigError) as caught:
            load_classifier(finished.directory, task=name)
        assert caught.value.problems[0].fix == fix
    with pytest.raises(ConfigError) as caught:
        finished.task("tpye")
    assert caught.value.problems[0].fix == "did you mean `type`?"
    with pytest.raises(ConfigError):
        _ = finished.report


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(tiny_bert: Path, tmp_path: Path) -> None:
    settings = {"training": case(tiny_bert).training.model_dump() | {"max_steps": 6}}
    first, second = (train(tiny_bert, tmp_path, **settings) for _ in range(2))
    for name in TASKS:
        one, two = (run.task(name).classifier.logits(list(TEXTS)) for run in (first, second))
        assert np.array_equal(one, two)


@pytest.mark.slow
def test_a_strategy_that_replaces_the_backbone_is_seen_by_every_task(
    tiny_bert: Path, tmp_path: Path
) -> None:
    run = train(tiny_bert, tmp_path, strategy="lora")
    assert run.record.parameters["share"] < 0.5
    model = run.task("topic").classifier.model
    assert any("lora_A" in name for name, _ in model.backbone.named_parameters())
    assert run.task("topic").report.scores["macro_f1"].value > 0.4


def test_frozen_features_are_computed_for_each_task(tiny_bert: Path, tmp_path: Path) -> None:
    run = train(tiny_bert, tmp_path, strategy="feature_extraction", head={"init": "probe"})
    heads = 3 * 32 + 3 + 2 * 32 + 2
    assert run.record.parameters["trainable"] == heads


def test_texts_that_another_task_trains_on_are_told(tiny_bert: Path, tmp_path: Path) -> None:
    alike = case(tiny_bert)
    assert alike.split.kind == "grouped"
    apart = TASKS | {"type": TASKS["type"] | {"split": {"kind": "grouped", "seed": 1}}}
    run = train(tiny_bert, tmp_path, strategy="feature_extraction", tasks=apart)
    assert len(run.record.warnings) == 2
    assert all("trained on in another task" in text for text in run.record.warnings)


@pytest.mark.slow
def test_pretraining_learns_from_the_texts_of_all_tasks(tiny_bert: Path, tmp_path: Path) -> None:
    run = train(tiny_bert, tmp_path, pretraining={"max_steps": 2}, tasks=TASKS)
    assert run.record.training["pretraining"]["steps"] == 2
    assert run.task("type").classifier.logits(["heart"]).shape == (1, 2)


def test_the_rate_finder_reads_the_losses_of_all_tasks(tiny_bert: Path) -> None:
    found = find_learning_rate(case(tiny_bert), HOST, steps=12)
    assert len(found.losses) <= 12
    assert found.losses[0] > 0


def test_a_strategy_for_one_task_is_refused_with_the_case() -> None:
    with pytest.raises(ConfigError) as caught:
        case(Path("no_such_model"), strategy="contrastive")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("config.illegal", "strategy")
    assert "one task" in problem.found
    assert "full" in problem.fix
    assert "contrastive" not in problem.fix


def test_a_head_may_be_called_like_a_method_of_a_module() -> None:
    from transformers import BertConfig, BertModel

    from tunebook.config import HeadConfig
    from tunebook.tasks.text_classification import TextClassifier

    sizes = {"vocab_size": 10, "hidden_size": 8, "intermediate_size": 8}
    layers = {"num_hidden_layers": 1, "num_attention_heads": 1}
    config = BertConfig(**sizes, **layers)
    backbone = BertModel(config)
    classifiers = {n: TextClassifier(backbone, 2, HeadConfig()) for n in ("type", "forward")}
    model = MultiTaskClassifier(classifiers)
    names = {name for name, _ in model.named_parameters() if name.startswith("head.")}
    assert names == {
        f"head.of_{task}.linear.{part}" for task in classifiers for part in ("weight", "bias")
    }
    other = BertModel(config)
    model.backbone = other
    assert all(each.backbone is other for each in classifiers.values())
    told: list[str] = []
    model.activate = told.append
    ones = torch.ones(1, 3, dtype=torch.long)
    model(task="type", input_ids=ones, attention_mask=ones)
    classifiers["forward"](ones, ones)
    assert told == ["type", "forward"]


def test_heads_of_two_forms_are_refused_before_weights_are_loaded(
    tiny_t5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("tunebook.subject.build_classifier", load)
    words, linear = {"head": {"form": "label_words"}}, {"head": {"form": "linear"}}
    tasks = {"topic": words, "type": TASKS["type"] | linear}
    with pytest.raises(ConfigError) as caught:
        train(tiny_t5, tmp_path, tasks=tasks)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("head.form", "tasks.type.head.form")
    assert (problem.expected.split()[-1], problem.found) == ("`label_words`", "`linear`")
