"""Plans: what they come to, their ids, and what is refused before anything starts."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.batch.plan import expand_plan, make_batch_plan, plan_id, read_batch_plan
from tunebook.batch.values import in_words, parse_axes, parse_values
from tunebook.errors import ConfigError
from tunebook.host import PluginHost

HOST = PluginHost(discover=False)
KEYS = st.text("abcdefgh.", min_size=1, max_size=6).filter(lambda key: key != "seed")
SCALARS = st.integers() | st.booleans() | st.none() | st.text(max_size=5) | st.floats(-9, 9)
GRIDS = st.dictionaries(KEYS, st.lists(SCALARS, min_size=1, max_size=4), min_size=1, max_size=3)


def parameters(**content: Any) -> list[dict[str, Any]]:
    plan = make_batch_plan(HOST, {"case": "c", **content})
    return [dict(entry.parameters) for entry in expand_plan(plan).entries]


def codes(**content: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        expand_plan(make_batch_plan(HOST, {"case": "c", **content}))
    return [problem.code for problem in caught.value.problems]


def test_a_grid_is_every_combination_in_order() -> None:
    assert parameters(grid={"strategy": ["lora", "full"], "seed": "1..2"}) == [
        {"strategy": "lora", "seed": 1},
        {"strategy": "lora", "seed": 2},
        {"strategy": "full", "seed": 1},
        {"strategy": "full", "seed": 2},
    ]


def test_zipped_lists_go_side_by_side() -> None:
    assert parameters(zip={"a": [1, 2], "b": ["x", "y"]}, grid={"seed": [0]}) == [
        {"seed": 0, "a": 1, "b": "x"},
        {"seed": 0, "a": 2, "b": "y"},
    ]


def test_runs_includes_excludes_and_conditions() -> None:
    assert parameters(
        parameters={"preset": "smoke"},
        runs=[{"a": 1}, {"a": 2}],
        grid={"seed": "1..3"},
        where=["seed<3", "a!=9"],
        exclude=[{"a": 2, "seed": 1}],
        include=[{"a": 9}],
    ) == [
        {"preset": "smoke", "a": 1, "seed": 1},
        {"preset": "smoke", "a": 1, "seed": 2},
        {"preset": "smoke", "a": 2, "seed": 2},
        {"preset": "smoke", "a": 9},
    ]


def test_a_case_may_have_values_of_its_own() -> None:
    content = {"cases": ["c", "d"], "grid": {"a": [1]}, "overrides": {"d": {"a": 5, "b": 6}}}
    entries = expand_plan(make_batch_plan(HOST, content)).entries
    assert [(e.case, dict(e.parameters)) for e in entries] == [
        ("c", {"a": 1}),
        ("d", {"a": 5, "b": 6}),
    ]


def test_repeats_are_seeds() -> None:
    assert parameters(grid={"a": [1]}, repeats=3) == [{"a": 1, "seed": n} for n in range(3)]
    assert codes(grid={"seed": [1]}, repeats=3) == ["plan.twice"]


def test_duplicates_are_merged_and_counted() -> None:
    plan = make_batch_plan(HOST, {"case": "c", "grid": {"a": [1, 1, 2]}, "include": [{"a": 2}]})
    expansion = expand_plan(plan)
    assert (len(expansion.entries), expansion.duplicates) == (2, 2)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({}, "plan.empty"),
        ({"grid": {}}, "plan.empty"),
        ({"grid": {"a": []}}, "plan.no_values"),
        ({"grid": {"a": "5..1..1"}}, "plan.range"),
        ({"grid": {"a": "1..9..0"}}, "plan.range"),
        ({"grid": {"a": "0..999999999"}}, "plan.range"),
        ({"grid": {"a": [1]}, "where": ["a>5"]}, "plan.empty"),
        ({"grid": {"a": [1]}, "where": ["nonsense"]}, "plan.condition"),
        ({"grid": {"a": [1]}, "exclude": [{}]}, "plan.exclude"),
        ({"grid": {"a": [1]}, "parameters": {"a": 2}}, "plan.twice"),
        ({"zip": {"a": [1, 2], "b": [1]}}, "plan.zip"),
        ({"grid": {"a": [1]}, "overrides": {"x": {}}}, "plan.override"),
        ({"gird": {"a": [1]}}, "config.unknown_key"),
        ({"grid": {"a": "1..1000", "b": "1..1000"}}, "plan.too_large"),
        ({"grid": [1]}, "config.invalid"),
        ({"grid": {"a": [float("nan")]}}, "plan.not_json"),
        ({"grid": {"a": [{1, 2}]}}, "plan.not_json"),
    ],
)
def test_what_is_refused(content: dict[str, Any], code: str) -> None:
    assert code in codes(**content)


def test_a_misspelt_key_has_a_near_match() -> None:
    with pytest.raises(ConfigError, match="did you mean `grid`"):
        make_batch_plan(HOST, {"case": "c", "gird": {"a": [1]}})


@given(GRIDS, st.randoms(use_true_random=False))
def test_the_id_depends_on_what_is_run_and_not_on_how_it_is_written(
    grid: dict[str, list[Any]], chance: random.Random
) -> None:
    shuffled = [(key, chance.sample(values, len(values))) for key, values in grid.items()]
    chance.shuffle(shuffled)
    first = expand_plan(make_batch_plan(HOST, {"case": "c", "grid": grid})).entries
    second = expand_plan(make_batch_plan(HOST, {"cases": ["c"], "grid": dict(shuffled)})).entries
    assert plan_id(e.key for e in first) == plan_id(e.key for e in second)
    listed = {"case": "c", "runs": [dict(e.parameters) for e in first]}
    third = expand_plan(make_batch_plan(HOST, listed)).entries
    assert {e.key for e in third} == {e.key for e in first}


@given(GRIDS)
def test_a_grid_comes_to_all_distinct_combinations(grid: dict[str, list[Any]]) -> None:
    entries = expand_plan(make_batch_plan(HOST, {"case": "c", "grid": grid})).entries
    wanted = {repr(row) for row in itertools.product(*grid.values())}
    assert {repr(tuple(entry.parameters.values())) for entry in entries} == wanted
    assert len({entry.key for entry in entries}) == len(entries)


def test_values_of_the_command_line() -> None:
    assert parse_values("x", "1..3,7") == [1, 2, 3, 7]
    assert parse_values("x", "3..1") == [3, 2, 1]
    assert parse_values("x", "-2..2..2") == [-2, 0, 2]
    assert parse_values("x", "lora,adapter") == ["lora", "adapter"]
    assert parse_values("x", '[1,2],{"a":[1,2]},"a,b",null') == [[1, 2], {"a": [1, 2]}, "a,b", None]
    assert parse_values("x", "grün,1e-3") == ["grün", 0.001]


@pytest.mark.parametrize(
    "items", [["a"], ["=1"], ["a="], ["a=1,,2"], ["a=1", "a=2"], ["a=9..1..1"]]
)
def test_bad_values_of_the_command_line(items: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_axes("--grid", items)
    assert len(caught.value.problems) == 1


@given(st.dictionaries(KEYS, st.integers() | st.booleans() | st.lists(st.integers())))
def test_parameters_in_words_can_be_typed(given_parameters: dict[str, Any]) -> None:
    from tunebook.cases import parse_parameters

    words = in_words(given_parameters).replace(", ", ",").split()
    assert parse_parameters(words) == given_parameters


def test_a_plan_file_names_cases_beside_it(tmp_path: Path) -> None:
    (tmp_path / "my.json").write_text("{}")
    (tmp_path / "übersicht.yaml").write_text("cases: [my.json, other]\ngrid: {seed: 1..2}\n")
    plan = read_batch_plan(HOST, tmp_path / "übersicht.yaml")
    assert plan.cases == (str(tmp_path / "my.json"), "other")
    assert plan.title == "übersicht"
    # and yet it is the same batch wherever it lies
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in tmp_path.glob("*.*"):
        (moved / file.name).write_text(file.read_text())
    again = read_batch_plan(HOST, moved / "übersicht.yaml")
    ids = [plan_id(e.key for e in expand_plan(p).entries) for p in (plan, again)]
    assert ids[0] == ids[1]
