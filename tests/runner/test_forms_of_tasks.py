"""Tasks of every form on one backbone: each is learnt, judged, compared and asked in its way."""

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
from tunebook.config import CaseConfig
from tunebook.errors import ConfigError
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.specs import TASKS as KINDS
from tunebook.subjects import load_datasets, pool

HOST = PluginHost()
TASKS: dict[str, Any] = {
    "one": {},
    "several": {"task": {"kind": "multi_label", "label": "topics"}},
    "number": {"task": {"kind": "regression", "label": "price"}},
    "pairs": {"task": {"pair": "second", "label": "same"}},
}
KIND = {"one": "text_classification", "several": "multi_label", "number": "regression"} | {
    "pairs": "text_classification"
}


def rows(count: int = 120) -> list[dict[str, Any]]:
    """Returns texts of one to three topics with a label of each form, and a second text."""
    rng = random.Random(0)
    made: dict[str, dict[str, Any]] = {}
    while len(made) < count:
        topics = sorted(rng.sample(sorted(tiny.TOPICS), rng.choice([1, 2, 3])))
        text = " ".join(rng.choice(tiny.TOPICS[topic]) for topic in topics for _ in range(2))
        other = rng.choice(sorted(tiny.TOPICS))
        row = {
            "id": f"r{len(made)}",
            "text": text,
            "label": topics[0],
            "topics": topics,
            "price": 1000.0 + 10 * ("heart" in topics) + 20 * ("skin" in topics),
            "second": " ".join(rng.sample(tiny.TOPICS[other], 2)),
            "same": "yes" if other in topics else "no",
        }
        made.setdefault(text, row)
    return list(made.values())


def case(folder: Path) -> CaseConfig:
    content = tiny.case_content(
        folder,
        data={"kind": "memory", "rows": rows()},
        tasks=TASKS,
        training={"epochs": 5, "learning_rate": 5e-3, "batch_size": 16, "precision": "fp32"},
        evaluation={"bootstrap": {"resamples": 100}},
    )
    del content["metrics"]
    return CaseSchema(HOST).validate(content)


@pytest.fixture(scope="module")
def finished(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    return run_case(case(tiny_bert), HOST, runs_dir=runs, listeners=[])


@pytest.mark.parametrize(
    ("name", "score", "least"),
    [
        ("one", "macro_f1", 0.7),
        ("several", "macro_f1", 0.7),
        ("number", "r2", 0.3),
        ("pairs", "macro_f1", 0.4),
    ],
)
def test_each_is_learnt_and_judged_by_what_suits_its_form(
    finished: Run, name: str, score: str, least: float
) -> None:
    report = finished.task(name).report
    assert report.primary == KINDS[KIND[name]].primary == score
    assert report.scores[score].value > least
    metrics = (HOST.get("metric", metric) for metric in KINDS[KIND[name]].metrics)
    assert {*report.scores} == {s for metric in metrics for s in metric.scores_of(KIND[name])}


def test_each_has_the_pictures_of_its_form(finished: Run) -> None:
    drawn = {
        name: {p.stem for p in run.place.figures.iterdir()} for name, run in finished.tasks.items()
    }
    assert drawn["number"] == {"predicted_true", "residuals"}
    assert "confusion" in drawn["one"] & drawn["pairs"]
    assert "confusion" not in drawn["several"]
    told = finished.directory.report.read_text(encoding="utf-8")
    assert told.count("<h2>Task ") == 4


def test_the_best_weights_have_the_best_mean_of_all_forms(finished: Run) -> None:
    scored = [e["scores"] for e in finished.events if e["type"] == "evaluation"]
    assert scored
    for scores in scored:
        own = [scores[f"{name}.{KINDS[kind].primary}"] for name, kind in KIND.items()]
        assert scores["mean_of_tasks"] == pytest.approx(np.mean(own))


@pytest.mark.parametrize("name", TASKS)
def test_what_is_loaded_answers_as_the_run_did(finished: Run, name: str) -> None:
    run = finished.task(name)
    frame = pd.read_parquet(run.place.predictions)
    pairs = frame["pair"].tolist() if name == "pairs" else None
    again = load_classifier(finished.directory, task=name).predict(frame["text"].tolist(), pairs)
    answer = {"several": "labels", "number": "value"}.get(name, "label")
    told = [row[answer] for row in again]
    if name == "number":
        assert told == pytest.approx(frame["predicted"].tolist(), rel=1e-5)
        assert 990 < np.mean(told) < 1040
    else:
        joined = ["|".join(each) if isinstance(each, list) else each for each in told]
        assert joined == frame["predicted"].tolist()


@pytest.mark.parametrize("name", TASKS)
def test_two_runs_are_compared_task_by_task(finished: Run, name: str) -> None:
    table = finished.task(name).compare(finished.task(name))
    assert [*table.index] == [*finished.task(name).report.scores]
    assert (table["difference"] == 0).all()


def test_a_comparison_is_of_a_task(finished: Run) -> None:
    for asked in (lambda: finished.compare(finished), finished.errors):
        with pytest.raises(ConfigError) as caught:
            asked()
        assert caught.value.problems[0].code == "run.task"
        assert "`pairs`" in caught.value.problems[0].fix
    with pytest.raises(ConfigError):
        finished.task("one").compare(finished.task("several"))


def test_the_texts_of_all_forms_are_pooled_and_none_is_judged_by(tiny_bert: Path) -> None:
    datasets = load_datasets(case(tiny_bert), HOST)
    assert {*datasets} == {*TASKS}
    pooled = pool([*datasets.values()])
    trained = pooled.texts("train")
    judged = {t for d in datasets.values() for s in ("validation", "test") for t in d.texts(s)}
    assert trained
    assert len(trained) == len({*trained})
    assert judged.isdisjoint(trained)
    assert judged | {*trained} == {row["text"] for row in rows()}


def predict(run: Run, *options: str) -> Any:
    return CliRunner().invoke(
        application,
        ["predict", str(run.directory.path), *options, "--json"],
        catch_exceptions=False,
    )


def test_a_task_of_pairs_is_asked_with_pairs(finished: Run, tmp_path: Path) -> None:
    asked = ("--task", "pairs", "heart valve", "--pair", "valve heart")
    (told,) = json.loads(predict(finished, *asked).stdout)["predictions"]
    assert (told["text"], told["pair"]) == ("heart valve", "valve heart")
    assert told["label"] in ("yes", "no")
    (tmp_path / "new.csv").write_text("text,second\nskin rash,lung cough\n")
    asked = ("--task", "pairs", "--file", str(tmp_path / "new.csv"))
    (told,) = json.loads(predict(finished, *asked).stdout)["predictions"]
    assert (told["text"], told["pair"]) == ("skin rash", "lung cough")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--task", "pairs", "heart"), "predict.pairs"),
        (("--task", "one", "heart", "--pair", "valve"), "predict.pairs"),
        (("heart", "--pair", "valve"), "run.task"),
    ],
)
def test_what_a_task_is_not_asked_with(finished: Run, options: tuple[str, ...], code: str) -> None:
    result = predict(finished, *options)
    assert result.exit_code == 2
    assert code in result.stdout + result.stderr
