"""Every kind of task, alone and in pairs, on every family: learnt, told, saved and used again."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tiny
from tunebook.cli.application import application
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.learning_curve import trace_learning_curve
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.specs import TASKS
from tunebook.testing.fresh import call

HOST = PluginHost()
TEXTS, SECONDS = ["heart valve acute", "skin rash"], ["mild of", "lung airway chronic"]
FAMILIES = {"encoder": "tiny_bert", "decoder": "tiny_gpt2", "encoder-decoder": "tiny_t5"}
LABELS = {
    "text_classification": lambda topics: min(topics, default="lung"),
    "multi_label": lambda topics: topics,
    "regression": lambda topics: 1000.0 + 10 * ("heart" in topics) + 20 * ("skin" in topics),
}
assert {*LABELS} == {*TASKS}
LONGER = tiny.case_content(Path())["training"] | {"epochs": 12}
"""Of the nine pairs of kind and family, sets on an encoder–decoder are learnt the slowest."""


def rows(kind: str, count: int = 150) -> list[dict[str, Any]]:
    """Returns texts of up to three topics, the later ones in a second text; labels follow them."""
    rng = random.Random(0)
    made: dict[str, dict[str, Any]] = {}
    while len(made) < count:
        topics = rng.sample(sorted(tiny.TOPICS), rng.choice([0, 1, 2, 3]))
        words = [word for topic in topics for word in rng.sample(tiny.TOPICS[topic], 2)]
        sides = [words[:2], words[2:]]
        text, second = (" ".join([*side, *rng.sample(tiny.FILLER, 2)]) for side in sides)
        row = {"id": f"r{len(made)}", "text": text, "second": second}
        made.setdefault(text, row | {"label": LABELS[kind](topics)})
    return list(made.values())


def run(folder: Path, runs: Path, kind: str, **changes: Any) -> Run:
    task = {"id": "id", "kind": kind, "pair": "second"} | changes.pop("task", {})
    data = {"kind": "memory", "rows": rows(kind)}
    content = tiny.case_content(folder, task=task, data=data, text={"max_tokens": 24}, **changes)
    del content["metrics"]
    return run_case(CaseSchema(HOST).validate(content), HOST, runs_dir=runs, listeners=[])


def losses(run: Run) -> list[float]:
    return [event["loss"] for event in run.events if event["type"] == "step"]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", TASKS)
def test_the_loss_falls_and_what_is_loaded_says_the_same(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, family: str
) -> None:
    folder = request.getfixturevalue(FAMILIES[family])
    trained = run(folder, tmp_path, kind, training=LONGER)
    course = losses(trained)
    assert np.mean(course[-5:]) < 0.85 * np.mean(course[:5])
    here = trained.classifier.logits(TEXTS, SECONDS)
    assert here.shape == (2, 1 if kind == "regression" else 3)
    assert load_classifier(trained.directory).logits(TEXTS, SECONDS).tolist() == here.tolist()
    alone = np.concatenate(
        [trained.classifier.logits([a], [b]) for a, b in zip(TEXTS, SECONDS, strict=True)]
    )
    assert alone == pytest.approx(here, abs=1e-4)


@pytest.mark.slow
def test_a_fresh_process_says_the_same_of_every_kind(tiny_bert: Path, tmp_path: Path) -> None:
    training = {"max_steps": 3, "precision": "fp32", "evaluations": 1}
    trained = [run(tiny_bert, tmp_path, kind, training=training) for kind in TASKS]
    assert len(trained) == 3
    here = [each.classifier.logits(TEXTS, SECONDS).tolist() for each in trained]
    folders = [str(each.directory.model) for each in trained]
    assert call("logits", {}, folders=folders, texts=TEXTS, pairs=SECONDS) == here


PICTURES = {
    "text_classification": {"classes", "training", "confusion", "per_class_f1"},
    "multi_label": {"classes", "training", "per_class_f1"},
    "regression": {"training", "predicted_true", "residuals"},
}
ANSWERS = {
    "text_classification": {"label", "confidence"},
    "multi_label": {"labels", "confidence"},
    "regression": {"value"},
}


@pytest.fixture(scope="module", params=TASKS)
def finished(
    request: pytest.FixtureRequest, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Run]:
    """A run of each kind, whose learning rate is kept small enough to make mistakes."""
    runs = tmp_path_factory.mktemp("runs")
    training = {"epochs": 2, "learning_rate": 1e-3, "precision": "fp32"}
    return request.param, run(tiny_bert, runs, request.param, training=training)


def test_a_report_has_intervals_baselines_and_the_pictures_of_its_kind(
    finished: tuple[str, Run],
) -> None:
    kind, trained = finished
    report = trained.report
    assert report.primary == TASKS[kind].primary
    wanted = [s for name in TASKS[kind].metrics for s in HOST.get("metric", name).scores_of(kind)]
    assert [*report.scores] == wanted
    assert all(e.low <= e.value <= e.high for e in report.scores.values())
    assert {b.name for b in report.baselines} == {"majority", "tfidf"}
    assert {path.stem for path in trained.directory.figures.iterdir()} == PICTURES[kind]
    page = trained.directory.report.read_text()
    titles = [b.title for b in report.baselines]
    assert all(title in page for title in titles)
    assert "Errors worth reading" in page


def test_errors_begin_with_the_worst(finished: tuple[str, Run]) -> None:
    kind, trained = finished
    errors = trained.errors(100)
    assert {"text", "pair", "label", "predicted"} < {*errors}
    if kind == "regression":
        assert len(errors) == trained.report.rows
        assert errors["error"].abs().is_monotonic_decreasing
    else:
        assert (errors["label"] != errors["predicted"]).all()
        assert errors["confidence"].is_monotonic_decreasing


def test_the_command_predicts_pairs(finished: tuple[str, Run], tmp_path: Path) -> None:
    kind, trained = finished
    pairs = [{"text": a, "second": b} for a, b in zip(TEXTS, SECONDS, strict=True)]
    pd.DataFrame(pairs).to_csv(tmp_path / "pairs.csv", index=False)
    beside = [part for second in SECONDS for part in ("--pair", second)]
    told = [predict(trained, *TEXTS, *beside), predict(trained, "--file", tmp_path / "pairs.csv")]
    assert told[0] == told[1]
    assert [each["pair"] for each in told[0]] == SECONDS
    assert {*told[0][0]} - {"text", "pair", "probabilities"} == ANSWERS[kind]
    frame = trained.predict(TEXTS, SECONDS)
    assert {*frame} == {"text", "pair"} | ANSWERS[kind]
    if kind == "regression":  # in the unit of the data
        assert all(900 < value < 1100 for value in frame["value"])


def predict(trained: Run, *arguments: object) -> Any:
    directory = trained.directory.path
    result = CliRunner().invoke(
        application, ["predict", str(directory), *map(str, arguments), "--json"]
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["predictions"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        ([TEXTS[0]], 2, "predict.pairs"),
        ([*TEXTS, "--pair", SECONDS[0]], 2, "predict.pairs"),
        ([TEXTS[0], "--pair", " "], 3, "predict.bad_text"),
        (["--file", "a.txt"], 2, "predict.pairs"),
        (["--file", "a.csv", "--pair-column", "sceond"], 3, "predict.column"),
    ],
)
def test_second_texts_that_are_missing_are_told(
    finished: tuple[str, Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    exit_code: int,
    code: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("text,second\nx,y\n")
    (tmp_path / "a.txt").write_text("x\n")
    folder = str(finished[1].directory.path)
    result = CliRunner().invoke(application, ["predict", folder, *arguments])
    assert result.exit_code == exit_code
    assert f"error: {code}" in result.stderr


@pytest.mark.slow
def test_a_score_that_is_better_the_lower_picks_the_lowest(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, "regression", evaluation={"primary": "rmse"})
    seen = [e["scores"]["rmse"] for e in trained.events if e["type"] == "evaluation"]
    assert len(seen) == 3
    assert trained.record.training["best"] == min(seen)


@pytest.mark.slow
def test_a_learning_curve_of_sets_counts_texts_of_each_class(
    tiny_bert: Path, tmp_path: Path
) -> None:
    evaluation = {"learning_curve": [4, 12], "bootstrap": {"resamples": 100}}
    training = {"epochs": 1, "precision": "fp32", "evaluations": 1}
    changes = {"evaluation": evaluation, "training": training, "train_per_class": 12}
    trained = trace_learning_curve(run(tiny_bert, tmp_path, "multi_label", **changes), listeners=[])
    small, large = trained.record.learning_curve
    assert 12 <= small.train_rows < large.train_rows
    assert (trained.directory.figures / "learning_curve.png").is_file()


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
def test_a_head_starts_from_the_linear_model_of_its_kind(
    tiny_bert: Path, tmp_path: Path, kind: str
) -> None:
    changes = {"head": {"init": "probe", "probe_c": 1.0}, "strategy": "feature_extraction"}
    training = {"epochs": 1, "learning_rate": 1e-9, "precision": "fp32", "evaluations": 1}
    trained = run(tiny_bert, tmp_path, kind, training=training, **changes)
    mean = next(b for b in trained.report.baselines if b.name == "majority")
    primary = trained.report.primary
    assert trained.report.scores[primary].value > mean.scores[primary].value
