"""`tunebook rerun`: what it answers, from records alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tunebook.cli.rerun import _checked, _compared
from tunebook.errors import ExitCode
from tunebook.records import RunDirectory, RunRecord
from tunebook.reproduction import ASPECTS, Reproduction, case_differences, compare_records

Invoke = Callable[..., Any]

TOLD: dict[str, Any] = {
    "outputs": {"model/trained.safetensors": "a", "predictions": "b"},
    "code": {"tunebook": "c"},
    "versions": {"tunebook": "0.1.0", "torch": "2.13.0", "papermill": "2.7"},
    "hardware": {"cpu": "x", "threads": 2, "variables": {"OMP_NUM_THREADS": "2"}},
    "precision": {"name": "fp32", "why": "the case asks for it"},
    "data": {"fingerprint": "d", "rows": 10},
    "model": {"sha256": "e"},
}


@pytest.fixture
def told(finished_run: RunDirectory) -> RunRecord:
    return finished_run.read_record().updated(**TOLD)


def test_equal_records_are_identical(told: RunRecord) -> None:
    found = compare_records(told, told.updated(run_id="other", started=1.0, seconds={"x": 1}))
    assert found.identical
    assert found == Reproduction(dict.fromkeys([*TOLD["outputs"], "scores"], True), (), (), ())


@pytest.mark.parametrize(
    ("changes", "aspect", "likelihood"),
    [
        ({"data": {"fingerprint": "other", "rows": 10}}, "data", "certain"),
        ({"model": {"sha256": "other"}}, "model", "certain"),
        ({"seed": 7}, "seed", "certain"),
        ({"precision": {"name": "bf16", "why": "x"}}, "precision", "certain"),
        ({"hardware": TOLD["hardware"] | {"threads": 1}}, "threads", "likely"),
        ({"hardware": TOLD["hardware"] | {"cpu": "y"}}, "hardware", "likely"),
        ({"versions": TOLD["versions"] | {"torch": "2.12.0"}}, "packages", "likely"),
        ({"versions": TOLD["versions"] | {"papermill": "2.6"}}, "packages", "possible"),
        ({"code": {"tunebook": "other"}}, "code", "possible"),
        ({"versions": TOLD["versions"] | {"tunebook": "0.2.0"}}, "code", "likely"),
    ],
)
def test_each_aspect_is_found(
    told: RunRecord, changes: dict[str, Any], aspect: str, likelihood: str
) -> None:
    (found,) = compare_records(told, told.updated(**changes)).differences
    assert (found.aspect, found.likelihood) == (aspect, likelihood)


def test_the_likeliest_explanation_comes_first(told: RunRecord) -> None:
    other = told.updated(
        seed=3,
        data={"fingerprint": "other", "rows": 10},
        code={"tunebook": "other"},
        hardware=TOLD["hardware"] | {"threads": 1, "cpu": "y"},
        versions=TOLD["versions"] | {"papermill": "2.6"},
    )
    found = compare_records(told, other).differences
    order = ["data", "seed", "threads", "hardware", "packages", "code"]
    assert [each.aspect for each in found] == order
    assert {*order} < {*ASPECTS}


def test_what_an_older_record_does_not_say_is_neither_equal_nor_different(told: RunRecord) -> None:
    found = compare_records(told.updated(outputs={}, code={}, versions={}), told)
    assert found.differences == ()
    assert found.unknown == ("packages", "code")
    assert found.same == {"weights": None, "predictions": None, "scores": True}
    assert not found.identical
    less = {"cpu": "x", "threads": 2}
    assert compare_records(told.updated(code={}, hardware=less), told).differences == ()
    assert len(compare_records(told.updated(hardware=less), told).differences) == 1


def test_scores_stand_beside_the_interval(told: RunRecord) -> None:
    assert told.report is not None
    moved = told.report.scores["macro_f1"].model_copy(update={"value": 0.71})
    report = told.report.model_copy(update={"scores": {"macro_f1": moved}})
    found = compare_records(told, told.updated(report=report))
    (change,) = found.scores
    assert change.difference == pytest.approx(0.01)
    assert change.half_interval == pytest.approx(0.05)
    assert found.same["scores"] is False


def test_time_and_origin_of_a_baseline_are_no_difference(told: RunRecord) -> None:
    assert told.report is not None
    (baseline,) = told.report.baselines
    reused = baseline.model_copy(update={"seconds": 99.0, "reused": True})
    report = told.report.model_copy(update={"baselines": (reused,)})
    assert compare_records(told, told.updated(report=report)).identical


def test_settings_differ_by_path() -> None:
    found = case_differences({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9, "c": 2}, "e": 4})
    assert [(each.item, each.before, each.after) for each in found] == [
        ("a.b", 1, 9),
        ("d", 3, None),
        ("e", None, 4),
    ]


def test_the_answer_names_what_differs_and_has_a_code_of_its_own(
    finished_run: RunDirectory, told: RunRecord
) -> None:
    other = told.updated(outputs=TOLD["outputs"] | {"predictions": "z"}, seed=7)
    answer = _compared(finished_run, finished_run, compare_records(told, other))
    assert answer.error is not None
    assert answer.error.exit_code == ExitCode.DIFFERENT == 7
    assert "predictions" in answer.error.problems[0].found
    assert "seed" in answer.error.problems[0].fix
    assert answer.data["identical"] is False
    assert "certain" in answer.text
    same = _compared(finished_run, finished_run, compare_records(told, told))
    assert (same.error, same.data["identical"]) == (None, True)
    unexplained = told.updated(outputs=TOLD["outputs"] | {"predictions": "z"})
    answer = _compared(finished_run, finished_run, compare_records(told, unexplained))
    assert answer.error is not None
    assert "not deterministic" in answer.error.problems[0].fix


def test_checking_only_says_what_has_changed(finished_run: RunDirectory, told: RunRecord) -> None:
    changed = compare_records(told, told.updated(seed=7)).differences
    answer = _checked(finished_run, Reproduction({}, changed, (), ()))
    assert answer.error is not None
    assert answer.error.problems[0].code == "rerun.changed"
    assert _checked(finished_run, Reproduction({}, (), (), ())).error is None


@pytest.mark.parametrize("name", ["no-such-run", "", "../.."])
def test_an_unknown_run_is_told(invoke: Invoke, finished_run: RunDirectory, name: str) -> None:
    result = invoke("rerun", name)
    assert result.exit_code == ExitCode.CONFIG
    assert "run.unknown" in result.stderr
