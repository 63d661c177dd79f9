"""Who can be a candidate, what an audition sets itself, and what is refused before it begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tiny
from example_audition import audition_plan
from tunebook.audition.halving import Rung
from tunebook.audition.plan import make_audition_plan, name_of, strategies_for
from tunebook.errors import ConfigError, TunebookError
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Planner


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


@pytest.fixture
def case(tiny_bert: Path, tmp_path: Path) -> str:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(tiny.case_content(tiny_bert)))
    return str(path)


def content(case: str, *candidates: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"case": case, "candidates": list(candidates), **changes}


NUMBERS = {
    "task": {"kind": "regression"},
    "metrics": [{"kind": "r2"}],
    "evaluation": {"primary": "r2"},
}
FULL, LORA = {"strategy": "full"}, {"strategy": "lora"}


def test_every_run_is_judged_on_validation_rows_and_has_few_of_its_own() -> None:
    plan = audition_plan("full", "lora", parameters={"training.epochs": 2}, seeds=3)
    runs = [run for _, run in plan.runs_of(Rung(64, ("full", "lora"), seeds=3))]
    assert len(runs) == 6
    assert {run["seed"] for run in runs} == {0, 1, 2}
    for run in runs:
        assert run["evaluation.split"] == "validation"
        assert run["evaluation.learning_curve"] == []
        assert run["limits.train_rows"] == 64
        assert run["training.epochs"] == 2


def test_names_are_short_where_they_can_be() -> None:
    assert name_of({"strategy": "lora"}) == "lora"
    assert name_of({"strategy": "lora", "training.epochs": 3}) == "strategy=lora training.epochs=3"
    assert name_of({"strategy": {"kind": "lora", "r": 4}}) == 'strategy={"kind": "lora", "r": 4}'


def test_a_larger_budget_is_the_same_audition_and_anything_else_another() -> None:
    plan = audition_plan("full", "lora")
    assert audition_plan("full", "lora", budget=7.0).title == plan.title
    others = [
        audition_plan("full", "ia3"),
        audition_plan("full", "lora", seeds=3),
        audition_plan("full", "lora", first_rows=10),
        audition_plan("full", "lora", parameters={"training.epochs": 1}),
    ]
    assert len({plan.title, *(other.title for other in others)}) == 5


@pytest.mark.parametrize(
    ("rows", "classes", "first", "seeds"),
    [(10_000, 3, 256, 1), (10_000, 100, 800, 1), (60, 3, 60, 2)],
)
def test_the_first_rung_is_cheap_unless_it_is_the_only_one(
    rows: int, classes: int, first: int, seeds: int
) -> None:
    plan = audition_plan("full", "lora")
    assert plan.first_rung(rows, classes) == Rung(first, ("full", "lora"), seeds)


def test_every_strategy_is_a_candidate_or_left_out_with_a_reason(
    host: PluginHost, case: str
) -> None:
    candidates, left_out = strategies_for(host, case, {})
    names = [candidate["strategy"] for candidate in candidates]
    assert {*names, *left_out} == {*host.names("strategy")}
    assert len(names) + len(left_out) >= 14
    assert "full" in names
    assert all(left_out.values())


def test_what_a_decoder_cannot_bear_is_left_out(
    host: PluginHost, tiny_gpt2: Path, tmp_path: Path
) -> None:
    path = tmp_path / "gpt.json"
    path.write_text(json.dumps(tiny.case_content(tiny_gpt2, **NUMBERS)))
    _, left_out = strategies_for(host, str(path), {})
    assert "contrastive" in left_out
    assert "which is for text_classification" in left_out["contrastive"]


def test_candidates_that_come_to_the_same_are_one(host: PluginHost, case: str) -> None:
    twice = {"strategy": {"kind": "full"}}
    plan = make_audition_plan(host, content(case, FULL, twice, LORA))
    assert [*plan.names] == ["full", "lora"]


@pytest.mark.parametrize(
    ("candidates", "changes", "codes"),
    [
        ([FULL], {}, ["audition.candidates"]),
        ([], {}, ["audition.candidates"]),
        ([FULL, FULL], {}, ["audition.candidates"]),
        ([FULL, {"strategy": {"kind": "full"}}], {}, ["audition.candidates"]),
        ([FULL, LORA, {}], {}, ["audition.empty"]),
        ([FULL, LORA], {"parameters": {"seed": 3}}, ["audition.own"]),
        ([FULL, LORA], {"parameters": {"evaluation.split": "test"}}, ["audition.own"]),
        ([FULL, LORA], {"seeds": 0}, ["config.invalid"]),
        ([FULL, LORA], {"budget": -1}, ["config.invalid"]),
        ([FULL, LORA], {"budget": float("nan")}, None),
        ([FULL, LORA], {"first_rows": 1}, ["config.invalid"]),
        ([FULL, LORA], {"sedes": 3}, None),
        ([FULL, {"strategy": "lore"}], {}, None),
        ([FULL, {"training.epoch": 3}], {}, None),
    ],
    ids=range(14),
)
def test_what_is_refused(
    host: PluginHost, case: str, candidates: Any, changes: Any, codes: list[str] | None
) -> None:
    with pytest.raises(TunebookError) as caught:
        make_audition_plan(host, content(case, *candidates, **changes))
    problems = caught.value.problems
    assert all(problem.fix for problem in problems)
    assert caught.value.exit_code == 2
    if codes is not None:
        assert [problem.code for problem in problems] == codes


@pytest.mark.parametrize(
    "key",
    [
        "seed",
        "split.seed",
        "data.path",
        "task",
        "limits",
        "limits.train_rows",
        "limits.eval_rows",
        "train_per_class",
        "evaluation",
        "evaluation.split",
        "preset",
    ],
)
def test_all_are_trained_and_judged_on_the_same_rows(host: PluginHost, case: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_audition_plan(host, content(case, FULL, {**LORA, key: 1}))
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("audition.own", f"candidates.1.{key}")
    ]


def test_no_way_of_writing_it_makes_a_run_see_test_rows(host: PluginHost, case: str) -> None:
    shared = {"evaluation": {"split": "test", "primary": "accuracy"}}
    plan = make_audition_plan(host, content(case, FULL, LORA, parameters=shared))
    planner = Planner(host, case, with_notebook=False)
    runs = [run for _, run in plan.runs_of(Rung(8, tuple(plan.names)))]
    assert len(runs) == 2
    for run in runs:
        planned = planner.plan(run).case
        assert planned.evaluation.split == "validation"
        assert planned.evaluation.primary == "accuracy"
        assert planned.limits.train_rows == 8


def test_the_order_of_parameters_makes_no_second_candidate(host: PluginHost, case: str) -> None:
    one = {"strategy": "lora", "training.epochs": 1}
    plan = make_audition_plan(host, content(case, FULL, one, dict(reversed(one.items()))))
    assert len(plan.candidates) == 2


def test_what_is_not_json_is_said(host: PluginHost, case: str) -> None:
    with pytest.raises(ConfigError, match=r"audition\.not_json"):
        make_audition_plan(host, content(case, FULL, {"strategy": Path("x")}))


def test_a_wrong_name_gets_a_suggestion(host: PluginHost, case: str) -> None:
    with pytest.raises(ConfigError, match="lora"):
        make_audition_plan(host, content(case, FULL, {"strategy": "lroa"}))


def test_a_case_of_several_tasks_has_no_one_score(
    host: PluginHost, tiny_bert: Path, tmp_path: Path
) -> None:
    path = tmp_path / "two.json"
    made = tiny.case_content(tiny_bert)
    path.write_text(json.dumps(made | {"tasks": {"first": {}, "second": {}}}))
    with pytest.raises(ConfigError, match=r"audition\.tasks"):
        make_audition_plan(host, content(str(path), FULL, LORA))
