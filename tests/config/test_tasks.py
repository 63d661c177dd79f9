"""Cases of several tasks: what a task leaves out is the case's, and what is wrong is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
from tunebook.cases import resolve_case
from tunebook.config import ALONE, lay_over
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.schema import CaseSchema, plugin_configs
from tunebook.specs import TASKS as KINDS

HOST = PluginHost()
SCHEMA = CaseSchema(HOST)
NOWHERE = Path("nowhere")
TASKS: dict[str, Any] = {
    "topic": {},
    "side": {"task": {"label": "side"}, "metrics": ["accuracy"], "train_per_class": None}
    | {"evaluation": {"primary": "accuracy"}},
}


def content(**changes: Any) -> dict[str, Any]:
    return tiny.case_content(NOWHERE, **{"tasks": TASKS} | changes)


def problems(given: dict[str, Any]) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        SCHEMA.validate(given)
    return [(p.code, p.where, p.fix) for p in caught.value.problems]


def test_what_a_task_leaves_out_is_the_case_s() -> None:
    case = SCHEMA.validate(content(train_per_class=8))
    topic, side = case.by_task().values()
    assert (topic.task.label, topic.task.id, topic.train_per_class) == ("label", "id", 8)
    assert (side.task.label, side.task.id, side.train_per_class) == ("side", "id", None)
    assert [metric.kind for metric in side.metrics] == ["accuracy"]
    assert topic.evaluation.primary == "macro_f1"
    assert side.evaluation.bootstrap == case.evaluation.bootstrap
    assert not side.tasks


def test_a_single_task_case_is_its_own_only_task() -> None:
    case = SCHEMA.validate(content(tasks={}))
    assert case.by_task() == {ALONE: case}


def test_a_case_with_tasks_is_read_back_as_it_was_saved() -> None:
    case = SCHEMA.validate(content(sampling={"temperature": 2}))
    saved = case.to_json_dict()
    assert saved["tasks"]["topic"] == {}
    assert {*saved["tasks"]["side"]} == {*TASKS["side"]}
    assert SCHEMA.validate(saved) == case
    changed = case.updated(train_per_class=4)
    assert [each.train_per_class for each in changed.by_task().values()] == [4, None]


def test_another_kind_of_section_replaces_the_case_s() -> None:
    below = {"split": {"kind": "grouped", "group": "g", "seed": 1}, "task": {"id": "id"}}
    above = {"split": {"kind": "given"}, "task": {"label": "x"}}
    assert lay_over(below, above) == {
        "split": {"kind": "given"},
        "task": {"id": "id", "label": "x"},
    }


def test_all_tasks_plugins_are_found_once() -> None:
    other = {"kind": "memory", "rows": [{"text": "a", "label": "b"}]}
    case = SCHEMA.validate(content(tasks=TASKS | {"third": {"data": other}}))
    kinds = [kind for kind, _ in plugin_configs(case)]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "datasource": 2,
        "model": 1,
        "strategy": 1,
        "metric": 4,
    }


def test_the_case_needs_no_data_where_every_task_has_its_own() -> None:
    given = content(tasks={"a": {"data": tiny.case_content(NOWHERE)["data"]}, "b": {}})
    given.pop("data")
    assert problems(given) == [
        (
            "config.missing_key",
            "tasks.b.data",
            "add it, or `data` to the case, for all tasks that have none",
        )
    ]
    given["tasks"]["b"] = given["tasks"]["a"]
    assert SCHEMA.validate(given).data.kind == "memory"


@pytest.mark.parametrize(
    ("task", "code", "where", "fix"),
    [
        ({"task": {"labl": "x"}}, "config.unknown_key", "task.labl", "did you mean `label`?"),
        ({"dta": 1}, "config.unknown_key", "dta", "did you mean `data`?"),
        ({"data": "memry"}, "config.unknown_kind", "data", "did you mean `memory`?"),
        ({"metrics": ["acuracy"]}, "config.unknown_kind", "metrics.0", "did you mean `accuracy`?"),
        (
            {"evaluation": {"primary": "accurac"}},
            "config.primary",
            "evaluation.primary",
            "did you mean `accuracy`?",
        ),
    ],
)
def test_what_is_wrong_with_a_task_is_told_with_its_place(
    task: dict[str, Any], code: str, where: str, fix: str
) -> None:
    assert problems(content(tasks={"topic": task})) == [(code, f"tasks.topic.{where}", fix)]


def test_a_part_of_a_task_that_does_not_go_with_the_case_is_told() -> None:
    split = {"kind": "stratified", "fractions": {"train": 0.8, "validation": 0.1, "test": 0.1}}
    task = {"split": {"kind": "stratified", "fractions": {"train": 0.7}}}
    ((code, _, fix),) = problems(content(split=split, tasks={"topic": task}))
    assert (code, fix) == ("config.tasks", "write that section of the task whole")


@pytest.mark.parametrize("name", ["", "a.b", "7", "a b", "a" * 65])
def test_a_name_that_no_head_can_have_is_refused(name: str) -> None:
    ((code, where, _),) = problems(content(tasks={name: {}}))
    assert code == "config.invalid"
    assert where.startswith(f"tasks.{name}")


def test_a_learning_curve_is_of_one_task() -> None:
    curve = {"learning_curve": [8]}
    for changes in ({"evaluation": curve}, {"tasks": {"topic": {"evaluation": curve}}}):
        assert "config.learning_curve" in {each[0] for each in problems(content(**changes))}


def test_a_parameter_of_a_task_that_is_not_there_makes_no_new_one() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_case(HOST, "licence_rules", {"tasks.claus.train_per_class": 8})
    (problem,) = caught.value.problems
    assert (problem.where, problem.fix) == (
        "tasks.claus.train_per_class",
        "did you mean `clause`?",
    )


def test_a_task_named_twice_is_no_silent_loss(tmp_path: Path) -> None:
    file = tmp_path / "case.yaml"
    file.write_text("name: twice\ntasks:\n  topic: {}\n  topic: {task: {label: x}}\n")
    with pytest.raises(ConfigError) as caught:
        resolve_case(HOST, str(file), {})
    (problem,) = caught.value.problems
    assert problem.code == "case.not_yaml"
    assert "`topic` again" in problem.found
    assert "line 4" in problem.found


PRICE: dict[str, Any] = {"task": {"kind": "regression", "label": "price"}}


def test_a_task_of_another_kind_keeps_the_columns_and_is_measured_in_its_own_way() -> None:
    given = content(task={"text": "body", "id": "id"}, tasks={"topic": {}, "price": PRICE})
    case = SCHEMA.validate(given)
    topic, price = case.by_task().values()
    assert (price.task.kind, price.task.text, price.task.label) == ("regression", "body", "price")
    assert (topic.task.text, topic.task.label) == ("body", "label")
    assert tuple(metric.kind for metric in price.metrics) == KINDS["regression"].metrics
    assert [metric.kind for metric in topic.metrics] == given["metrics"]
    assert (topic.evaluation.primary, price.evaluation.primary) == ("macro_f1", "r2")
    assert SCHEMA.validate(case.to_json_dict()) == case


def test_errors_are_not_averaged_with_scores() -> None:
    price = PRICE | {"metrics": ["rmse", "r2"], "evaluation": {"primary": "rmse"}}
    (told,) = problems(content(tasks={"topic": {}, "price": price}))
    place = "tasks.price.evaluation.primary"
    assert told == ("config.primary", place, "use one of r2, or run that task by itself")
    alone = content(tasks={}) | PRICE | {"metrics": ["rmse"], "evaluation": {"primary": "rmse"}}
    assert SCHEMA.validate(alone).evaluation.primary == "rmse"


def test_weights_of_classes_need_a_task_with_classes() -> None:
    given = content(tasks={"topic": {}, "price": PRICE})
    given["training"] |= {"class_weights": "balanced"}
    assert SCHEMA.validate(given).training.class_weights == "balanced"
    assert problems(given | {"tasks": {"a": PRICE, "b": PRICE}}) == [
        ("config.no_classes", "training.class_weights", "leave it out")
    ]


def test_what_all_tasks_have_in_common_is_told_once() -> None:
    given = content(strategy="full", pretraining={"method": "adapter"})
    ((code, where, _),) = problems(given)
    assert (code, where) == ("pretraining.illegal", "pretraining.method")
