"""What each kind of task makes of the cells of the label column."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.config import TaskConfig
from tunebook.errors import TunebookError
from tunebook.forms import TASK_FORMS, form_of
from tunebook.forms.form import Scale
from tunebook.forms.regression import LARGEST
from tunebook.host import PluginHost
from tunebook.specs import TASKS

Load = Callable[..., Any]
SETS: dict[str, Any] = {"kind": "multi_label"}
NUMBERS: dict[str, Any] = {"kind": "regression"}


def form(classes: tuple[str, ...] = (), **task: Any) -> Any:
    return form_of(TaskConfig(**task), classes)


def rows_of(labels: list[Any], copies: int = 5) -> list[dict[str, Any]]:
    """Returns distinct texts, each label `copies` times."""
    return [
        {"id": f"r{n}", "text": f"text number {n}", "label": label}
        for n, label in enumerate(label for label in labels for _ in range(copies))
    ]


def test_every_kind_of_the_config_is_in_both_tables() -> None:
    kinds = get_args(TaskConfig.model_fields["kind"].annotation)
    assert len(kinds) == 3
    assert [*kinds] == [*TASKS] == [*TASK_FORMS]
    metrics = PluginHost().descriptors("metric")
    for kind in TASKS.values():
        suitable = {metric.name: metric for metric in metrics if kind.name in metric.tasks}
        assert {*kind.metrics} <= {*suitable}
        assert kind.primary in [s for m in kind.metrics for s in suitable[m].scores_of(kind.name)]


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("b|a", ("a", "b")),
        (" b | a |b|", ("a", "b")),
        ("", ()),
        ([], ()),
        (["b", "a", "b"], ("a", "b")),
        (np.array(["b", "a"], dtype=object), ("a", "b")),
        ({"x|y"}, ("x|y",)),
        (3.0, ("3",)),
        ([1, 2], ("1", "2")),
    ],
)
def test_sets_are_read_from_lists_and_texts(cell: Any, label: tuple[str, ...]) -> None:
    sets = form(kind="multi_label")
    assert not sets.fault(cell)
    assert not sets.is_empty(cell)
    assert sets.read(cell) == label


NAMES = st.text(st.characters(exclude_characters="|", exclude_categories=["Cs"]), min_size=1)


@given(names=st.lists(NAMES.map(str.strip).filter(bool)), separator=st.sampled_from(["|", " | "]))
def test_what_is_joined_is_read(names: list[str], separator: str) -> None:
    sets = form(kind="multi_label")
    assert sets.read(separator.join(names)) == sets.read(names) == tuple(sorted({*names}))
    assert sets.read(sets.told(sets.read(names))) == sets.read(names)


@given(labels=st.lists(st.lists(st.sampled_from("abcd")), min_size=1))
def test_targets_are_what_labels_say(labels: list[list[str]]) -> None:
    sets = form(("a", "b", "c", "d"), **SETS)
    targets = sets.targets([sets.read(label) for label in labels])
    assert targets.shape == (len(labels), 4)
    back = [{"abcd"[i] for i in np.flatnonzero(row)} for row in targets]
    assert back == [{*label} for label in labels]


@given(st.floats(-LARGEST, LARGEST))
def test_a_number_is_read_from_itself_and_from_its_text(number: float) -> None:
    numbers = form(kind="regression")
    assert numbers.read(number) == numbers.read(f" {number!r} ") == number
    assert numbers.fault(number) == numbers.fault(repr(number)) == ""


@pytest.mark.parametrize(
    ("task", "cell", "code"),
    [
        ({}, 1.5, "data.not_a_name"),
        ({}, ["a"], "data.not_a_name"),
        (SETS, [["a"]], "data.not_labels"),
        (SETS, ["a", None], "data.not_labels"),
        (SETS, {"a": 1}, "data.not_labels"),
        (SETS, 1.5, "data.not_labels"),
        (NUMBERS, "high", "data.not_a_number"),
        (NUMBERS, "3,5", "data.not_a_number"),
        (NUMBERS, True, "data.not_a_number"),
        (NUMBERS, [1.0], "data.not_a_number"),
        (NUMBERS, math.inf, "data.not_finite"),
        (NUMBERS, "-inf", "data.not_finite"),
        (NUMBERS, math.nan, "data.not_finite"),
        (NUMBERS, "nan", "data.not_finite"),
        (NUMBERS, 10**400, "data.not_finite"),
        (NUMBERS, -1e308, "data.not_finite"),  # whose square is infinite
    ],
)
def test_a_bad_label_is_told_with_row_and_column(
    refused: Callable[..., TunebookError], task: dict[str, Any], cell: Any, code: str
) -> None:
    rows = rows_of([1, 2] if task == NUMBERS else ["a", "b"])
    rows[6]["label"] = cell
    (problem,) = refused(rows, task=task | {"label": "label"}).problems
    assert problem.code == code
    assert "column `label`, row 7" in problem.where


@pytest.mark.parametrize(
    ("task", "labels"), [({}, ["a", "a"]), (SETS, [["a"], ["a"]]), (NUMBERS, [2, 2.0])]
)
def test_labels_that_are_all_alike_are_refused(
    refused: Callable[..., TunebookError], task: dict[str, Any], labels: list[Any]
) -> None:
    (problem,) = refused(rows_of(labels), task=task).problems
    assert problem.code == "data.one_class"


@pytest.mark.parametrize(
    ("task", "labels", "gap"), [(SETS, [["a"], ["b"], []], None), (NUMBERS, ["1", "2.5"], " ")]
)
def test_gaps_are_left_out_and_counted(
    load: Load, task: dict[str, Any], labels: list[Any], gap: Any
) -> None:
    rows = rows_of(labels, copies=12)
    rows[4]["label"] = gap
    dataset = load(rows, task=task)
    assert len(dataset.rows) == len(rows) - 1
    assert [(f.code, f.count) for f in dataset.findings] == [("data.empty_label", 1)]


@pytest.mark.parametrize(
    ("task", "labels"), [(SETS, [["a"], ["a", "b"], []]), (NUMBERS, [1, 2, 3.5])]
)
def test_copies_with_other_targets_are_left_out(
    load: Load, task: dict[str, Any], labels: list[Any]
) -> None:
    rows = rows_of(labels, copies=12)
    rows[30]["text"] = rows[0]["text"].upper()
    dataset = load(rows, task=task)
    assert [(f.code, f.count) for f in dataset.findings] == [("data.ambiguous_texts", 2)]
    rows[30]["label"] = rows[0]["label"]
    assert [f.code for f in load(rows, task=task).findings] == ["data.duplicates"]


def test_a_class_that_is_only_tested_is_told(refused: Callable[..., TunebookError]) -> None:
    rows = rows_of([["a"], ["b"], ["a", "b"]], copies=4)
    for n, row in enumerate(rows):
        row["split"] = ("train", "validation", "test", "train")[n % 4]
    for row in rows[2::4]:
        row["label"] = [*row["label"], "new"]
    (problem,) = refused(rows, task=SETS, split={"kind": "given"}).problems
    assert (problem.code, problem.found) == ("data.unseen_label", "`new`")


def test_rare_classes_leave_their_sets(load: Load, refused: Callable[..., TunebookError]) -> None:
    rows = rows_of([["a"], ["b"]], copies=10)
    rows[0]["label"] = ["a", "rare"]
    assert refused(rows, task=SETS).problems[0].code == "data.rare_class"
    dataset = load(rows, task=SETS | {"rare_classes": "drop"})
    assert dataset.classes == ("a", "b")
    assert len(dataset.rows) == 20
    assert [f.code for f in dataset.findings] == ["data.rare_labels"]


def test_rare_classes_of_sets_reach_every_split(load: Load) -> None:
    rows = rows_of([["common"]], copies=200)
    for row in rows[::20]:
        row["label"] = ["common", "rare"]
    counts = load(rows, task=SETS).provenance["classes"]["rare"]
    assert counts == {"train": 6, "validation": 2, "test": 2}


def test_numbers_are_spread_alike_over_the_splits(load: Load) -> None:
    rows = rows_of(list(range(200)), copies=1)
    dataset = load(rows, task=NUMBERS)
    tenths = {
        name: Counter(int(value) // 20 for value in dataset.targets(name))
        for name in ("train", "validation", "test")
    }
    assert set(tenths["test"].values()) <= {2, 3, 4}
    assert len(tenths["test"]) == len(tenths["validation"]) == 10
    assert dataset.scale.mean == pytest.approx(dataset.targets("train").mean())
    assert dataset.scale.deviation == pytest.approx(dataset.targets("train").std())
    assert load(rows, task=NUMBERS | {"scaling": "none"}).scale == Scale(0, 1)


def test_a_budget_is_met_for_every_class_of_sets(load: Load) -> None:
    rows = rows_of([["a"], ["b"], ["a", "b"], []], copies=30)
    small, large = (load(rows, task=SETS, train_per_class=size).split("train") for size in (4, 8))
    for size, train in ((4, small), (8, large)):
        counts = Counter(name for label in train["label"] for name in label or ("none",))
        assert counts["none"] == size
        assert min(counts["a"], counts["b"]) >= size
    assert {*small["id"]} < {*large["id"]}


def test_a_pair_counts_as_one_text(load: Load) -> None:
    rows = [row | {"second": f"beside {n % 2}"} for n, row in enumerate(rows_of(["a", "b"], 20))]
    rows[1]["text"] = rows[0]["text"]  # with another second text
    rows[4] |= {"text": rows[2]["text"]}  # with the same one
    dataset = load(rows, task={"pair": "second"})
    assert [(f.code, f.count) for f in dataset.findings] == [("data.duplicates", 1)]
    assert len(dataset.rows) == 39
    assert {*dataset.pairs("train")} == {"beside 0", "beside 1"}
    assert dataset.fingerprint != load(rows[:1] + rows[2:], task={}).fingerprint


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [("second", 5, "data.not_text"), ("sceond", "x", "data.unknown_column")],
)
def test_a_bad_second_text_is_told(
    refused: Callable[..., TunebookError], column: str, value: Any, code: str
) -> None:
    rows = [row | {"second": "beside"} for row in rows_of(["a", "b"])]
    rows[3]["second"] = value
    (problem,) = refused(rows, task={"pair": column}).problems
    assert problem.code == code


def test_an_empty_second_text_is_left_out_and_most_are_refused(
    load: Load, refused: Callable[..., TunebookError]
) -> None:
    rows = [row | {"second": "beside"} for row in rows_of(["a", "b"], 12)]
    rows[3]["second"] = " "
    found = load(rows, task={"pair": "second"}).findings
    assert [(f.code, f.count) for f in found] == [("data.empty_pair", 1)]
    for row in rows[2:]:
        row["second"] = None
    (problem,) = refused(rows, task={"pair": "second"}).problems
    assert (problem.code, "task.pair" in problem.fix) == ("data.mostly_empty", True)


def test_a_frame_of_predictions_holds_sets_and_numbers(tmp_path: Any) -> None:
    from tunebook.evaluation.predictions import predictions_frame, write_predictions

    sets = form(("a", "b"), **SETS)
    rows = pd.DataFrame({"id": [1, 2], "text": ["x", "y"], "pair": ["p", "q"]})
    labels = [("a",), ()]
    shares = np.array([[0.9, 0.8], [0.1, 0.4]])
    predictions = sets.predictions(sets.targets(labels), shares)
    frame = predictions_frame(rows.assign(label=pd.Series(labels)), predictions, sets)
    assert frame["predicted"].tolist() == ["a|b", ""]
    assert frame["correct"].tolist() == [False, True]
    assert frame["confidence"].tolist() == pytest.approx([0.72, 0.54])
    assert sets.errors(frame)["id"].tolist() == [1]
    numbers = form(kind="regression")
    predictions = numbers.predictions(np.array([1.0, 2.0]), np.array([[1.5], [-3.0]]))
    frame = predictions_frame(rows.assign(label=[1.0, 2.0]), predictions, numbers)
    write_predictions(frame, numbers, tmp_path / "p.parquet", tmp_path / "e.parquet")
    errors = pd.read_parquet(tmp_path / "e.parquet")
    assert errors["error"].tolist() == [-5.0, 0.5]
    assert [*errors] == ["id", "text", "pair", "label", "predicted", "error"]
