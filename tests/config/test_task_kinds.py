"""What goes with which kind of task is known before anything is loaded."""

from __future__ import annotations

from typing import Any

import pytest

import tiny
from tunebook.config import HeadConfig
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.legality import Setting, legality
from tunebook.rules import is_minimised
from tunebook.schema import CaseSchema
from tunebook.specs import FAMILIES, FORMS, TASKS
from tunebook.tasks.build import head_form

HOST = PluginHost()
SCHEMA = CaseSchema(HOST)


def content(kind: str, **changes: Any) -> dict[str, Any]:
    from pathlib import Path

    made = tiny.case_content(Path("nowhere"), task={"kind": kind}, **changes)
    return {key: value for key, value in made.items() if value is not None}


def refused(kind: str, **changes: Any) -> Any:
    with pytest.raises(ConfigError) as caught:
        SCHEMA.validate(content(kind, metrics=changes.pop("metrics", None), **changes))
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("kind", TASKS)
def test_a_silent_case_is_measured_by_what_suits_its_task(kind: str) -> None:
    case = SCHEMA.validate(content(kind, metrics=None))
    assert tuple(metric.kind for metric in case.metrics) == TASKS[kind].metrics
    assert case.evaluation.primary == TASKS[kind].primary
    assert SCHEMA.validate(case.to_json_dict()) == case


@pytest.mark.parametrize(
    ("kind", "metric", "fits"),
    [
        ("regression", "f1", "mae, pearson, r2, rmse, spearman"),
        ("multi_label", "accuracy", "average_precision, f1, hamming_loss, roc_auc"),
        ("text_classification", "rmse", "accuracy, confusion_matrix, f1, roc_auc"),
    ],
)
def test_a_metric_of_another_task_is_refused_with_those_that_fit(
    kind: str, metric: str, fits: str
) -> None:
    problem = refused(kind, metrics=[*TASKS[kind].metrics, metric])
    assert problem.code == "config.metric"
    assert problem.where == f"metrics.{len(TASKS[kind].metrics)}"
    assert fits in problem.fix


def test_a_primary_score_of_another_task_is_refused() -> None:
    problem = refused("regression", evaluation={"primary": "macro_f1"})
    assert (problem.code, problem.where) == ("config.primary", "evaluation.primary")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"train_per_class": 8}, "train_per_class"),
        ({"evaluation": {"learning_curve": [8]}}, "evaluation.learning_curve"),
        ({"training": {"class_weights": "sqrt"}}, "training.class_weights"),
        ({"training": {"label_smoothing": 0.1}}, "training.label_smoothing"),
    ],
)
def test_numbers_have_no_classes(changes: dict[str, Any], where: str) -> None:
    problem = refused("regression", **changes)
    assert (problem.code, problem.where) == ("config.no_classes", where)


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
@pytest.mark.parametrize("head", [{"form": "label_words"}, {"label_words": {"a": "b"}}])
def test_words_are_for_single_classes(kind: str, head: dict[str, Any]) -> None:
    assert refused(kind, head=head).code == "head.form"
    assert head_form(HeadConfig(), "encoder_decoder", kind) == "linear"


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
def test_contrastive_pairs_need_single_classes(kind: str) -> None:
    problem = refused(kind, strategy="contrastive")
    assert problem.code == "config.illegal"
    assert "full" in problem.fix
    assert "contrastive" not in problem.fix


def test_metrics_of_another_kind_leave_a_score_to_choose() -> None:
    """What every user meets who changes nothing but the kind of a case's task."""
    changed = content("regression", metrics=["accuracy"], evaluation={"primary": "accuracy"})
    with pytest.raises(ConfigError) as caught:
        SCHEMA.validate(changed)
    (primary,) = (p for p in caught.value.problems if p.code == "config.primary")
    assert primary.fix == "use one of `r2`"


def test_the_table_knows_every_combination() -> None:
    cells = {
        (task, family, form): legality(HOST, Setting(family, form, "bert", task))
        for task in TASKS
        for family in FAMILIES
        for form in FORMS
    }
    assert len(cells) == 18
    for (task, _, form), told in cells.items():
        assert {*told} == {*HOST.names("strategy")}
        if form not in TASKS[task].forms:
            assert all(told.values())
        elif task != "text_classification":
            assert told["contrastive"]
            assert not told["full"]


@pytest.mark.parametrize(
    ("primary", "lower"), [("rmse", True), ("mae", True), ("r2", False), ("spearman", False)]
)
def test_errors_are_better_the_lower_they_are(primary: str, lower: bool) -> None:
    case = SCHEMA.validate(content("regression", metrics=None, evaluation={"primary": primary}))
    assert is_minimised(HOST, case) == lower
