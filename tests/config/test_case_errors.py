"""Whatever a person gets wrong in a case is told at once, all of it, with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tunebook.cases import load_case, parse_parameters, read_case_file, resolve_case
from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, MachineError, Problem
from tunebook.host import PluginHost
from tunebook.reference import field_rows
from tunebook.schema import PLUGIN_FIELDS, CaseSchema

HOST = PluginHost()


def problems(parameters: dict[str, Any]) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        resolve_case(HOST, "medical_coding", parameters)
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("parameters", "code", "where", "fix"),
    [
        ({"stratgy": "lora"}, "config.unknown_key", "stratgy", "did you mean `strategy`?"),
        ({"strategy": "lroa"}, "config.unknown_kind", "strategy", "did you mean `lora`?"),
        (
            {"strategy": "lora", "strategy.rr": 4},
            "config.unknown_key",
            "strategy.rr",
            "did you mean `r`?",
        ),
        ({"training.epoch": 4}, "config.unknown_key", "training.epoch", "did you mean `epochs`?"),
        ({"metrics": ["acuracy"]}, "config.unknown_kind", "metrics.0", "did you mean `accuracy`?"),
        ({"data": "icd10"}, "config.unknown_kind", "data", "did you mean `icd10cm`?"),
        (
            {"evaluation.primary": "macro_f2"},
            "config.primary",
            "evaluation.primary",
            "did you mean `macro_f1`?",
        ),
        ({"preset": "smok"}, "case.unknown_preset", "preset", "did you mean `smoke`?"),
        (
            {"text.long_texts": "window"},
            "config.not_a_choice",
            "text.long_texts",
            "did you mean `windows`?",
        ),
        ({"split": {"kind": "group"}}, "config.unknown_kind", "split", "did you mean `grouped`?"),
    ],
)
def test_a_misspelling_is_answered_with_its_neighbour(
    parameters: dict[str, Any], code: str, where: str, fix: str
) -> None:
    (problem,) = problems(parameters)
    assert (problem.code, problem.where, problem.fix) == (code, where, fix)


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ({"seed": "one"}, "seed"),
        ({"seed": "007"}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"training.epochs": -1}, "training.epochs"),
        ({"training.learning_rate": "fast"}, "training.learning_rate"),
        ({"training": {"epochs": float("nan")}}, "training.epochs"),
        ({"train_per_class": 0}, "train_per_class"),
        ({"strategy": {"kind": "lora", "r": 0}}, "strategy.r"),
        ({"strategy": {"kind": "lora", "dropout": 1.5}}, "strategy.dropout"),
        ({"name": "../escape"}, "name"),
        ({"data": 7}, "data"),
        ({"split": {"kind": "grouped", "fractions": {"train": 0.9}}}, "split.fractions"),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(parameters: dict[str, Any], where: str) -> None:
    (problem,) = problems(parameters)
    assert problem.where == where
    assert problem.expected
    assert problem.fix


def test_all_errors_are_collected() -> None:
    found = problems({"stratgy": "lora", "seed": "x", "training.epochs": -1, "model": "minlm"})
    assert sorted(p.where for p in found) == ["model", "seed", "stratgy", "training.epochs"]


def test_a_dotted_path_through_a_plain_value_is_told() -> None:
    (problem,) = problems({"seed": 1, "seed.x": 2})
    assert (problem.code, problem.where) == ("parameter.path", "seed.x")


def test_values_that_are_not_json_are_told() -> None:
    (problem,) = problems({"name": Path("x")})
    assert problem.code == "config.not_json"


def test_a_missing_package_is_an_environment_error(tmp_path: Path) -> None:
    plugin = tmp_path / "needy.py"
    plugin.write_text(
        "from typing import Literal\n"
        "from tunebook.config import PluginConfig\n"
        "from tunebook.specs import StrategyPlugin, hookimpl\n"
        "class C(PluginConfig):\n    kind: Literal['needy'] = 'needy'\n"
        "@hookimpl\ndef tunebook_strategies():\n"
        "    yield StrategyPlugin('needy', '', C, 'x:Y', requires=('no_such',), install='get it')\n"
    )
    with pytest.raises(MachineError) as caught:
        load_case("medical_coding", PluginHost(files=[plugin]), strategy="needy")
    assert caught.value.problems[0].fix == "get it"


def test_layers_win_in_their_order() -> None:
    plain = load_case("medical_coding", HOST)
    assert plain.training.learning_rate == 1e-4  # the file's section for `full`
    lora = load_case("medical_coding", HOST, strategy="lora")
    assert (lora.strategy.kind, lora.training.learning_rate) == ("lora", 1e-3)
    smoke = load_case("medical_coding", HOST, preset="smoke", strategy="lora")
    assert smoke.training.max_steps == 20
    mine = load_case("medical_coding", HOST, preset="smoke", overrides={"training.max_steps": 3})
    assert mine.training.max_steps == 3


def test_a_strategy_brings_its_own_training_defaults(tmp_path: Path) -> None:
    file = tmp_path / "plain.yaml"
    file.write_text("name: plain\ndata: icd10cm\nmodel: minilm\nstrategy: lora\nmetrics: [f1]\n")
    rates = {
        name: load_case(str(file), HOST, strategy=name).training.learning_rate
        for name in ("feature_extraction", "full", "lora")
    }
    assert len(set(rates.values())) == 3
    assert rates["full"] < rates["lora"]


def test_the_section_of_the_chosen_strategy_reaches_it(tmp_path: Path) -> None:
    file = tmp_path / "sections.yaml"
    file.write_text(
        "name: sections\ndata: icd10cm\nmodel: minilm\nmetrics: [f1]\n"
        "strategy: {kind: full, embeddings: freeze}\n"
        "strategies: {lora: {strategy: {r: 4}, training: {epochs: 2}}}\n"
    )
    lora = load_case(str(file), HOST, strategy="lora")
    assert lora.strategy.model_dump()["r"] == 4
    assert lora.training.epochs == 2
    deeper = load_case(str(file), HOST, strategy="lora", overrides={"strategy.alpha": 9})
    assert (deeper.strategy.model_dump()["r"], deeper.strategy.model_dump()["alpha"]) == (4, 9)
    assert load_case(str(file), HOST).strategy.model_dump()["embeddings"] == "freeze"


def test_paths_in_a_case_file_are_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "case.yaml"
    file.write_text("name: x\ndata: {kind: csv, path: rows.csv}\n")
    assert read_case_file(file).case["data"]["path"] == str(tmp_path / "rows.csv")


def test_so_are_those_of_a_preset_and_of_a_strategy(tmp_path: Path) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(
        "name: x\nstrategies: {full: {model: {path: mine}}, lora: }\n"
        "presets: {small: {data: {kind: csv, path: few.csv}}, empty: }\n"
    )
    read = read_case_file(file)
    assert read.strategies == {"full": {"model": {"path": str(tmp_path / "mine")}}, "lora": {}}
    few = {"kind": "csv", "path": str(tmp_path / "few.csv")}
    assert read.presets == {"small": {"data": few}, "empty": {}}


@pytest.mark.parametrize("layer", ["presets", "strategies"])
@pytest.mark.parametrize(
    ("held", "where"),
    [("[smoke]", ""), ("3", ""), ("{a: 3}", ".a"), ("{a: [b]}", ".a"), ("{1: }", "")],
)
def test_a_layer_that_is_none_is_told(tmp_path: Path, layer: str, held: str, where: str) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(f"name: x\n{layer}: {held}\n")
    with pytest.raises(ConfigError) as caught:
        load_case(str(file), HOST, preset="a")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("case.layer", f"{file}: {layer}{where}")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("a: [1", "case.not_yaml"),
        ("a: 2020-13-01", "case.not_yaml"),
        ("a: " + "[" * 9999, "case.not_yaml"),
        ("- 1\n- 2\n", "case.not_a_mapping"),
        ("", "case.not_a_mapping"),
    ],
)
def test_a_broken_case_file_is_told(tmp_path: Path, content: str, code: str) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_case(str(file), HOST)
    assert caught.value.problems[0].code == code


def test_a_missing_case_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "tickets.yaml").write_text("name: tickets")
    with pytest.raises(ConfigError) as caught:
        load_case(str(tmp_path / "ticket.yaml"), HOST)
    assert "tickets.yaml" in caught.value.problems[0].fix


def test_an_unknown_case_names_its_neighbour() -> None:
    with pytest.raises(ConfigError) as caught:
        load_case("medical_codin", HOST)
    assert caught.value.problems[0].fix == "did you mean `medical_coding`?"


BUNDLED = (
    "medical_coding",
    "medical_pretraining",
    "legal_licences",
    "licence_rules",
    "multilingual_sentiment",
)


@pytest.mark.parametrize("strategy", ["full", "feature_extraction", "lora", "adapter"])
@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("preset", ["default", "smoke"])
@pytest.mark.adapters
def test_bundled_cases_round_trip(name: str, strategy: str, preset: str) -> None:
    case = load_case(name, HOST, preset=preset, strategy=strategy)
    assert CaseSchema(HOST).validate(case.to_json_dict()) == case


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seed": st.integers(0, 2**32 - 1),
            "train_per_class": st.none() | st.integers(1, 10**6),
            "title": st.text(),
            "training.epochs": st.floats(0.001, 1000),
            "training.learning_rate": st.floats(1e-9, 10),
            "text.max_tokens": st.integers(64, 8192),
            "text.long_texts": st.sampled_from(["truncate", "head_tail", "windows"]),
            "evaluation.learning_curve": st.lists(st.none() | st.integers(1, 500), max_size=4),
        },
    )
)
def test_any_legal_case_round_trips(parameters: dict[str, Any]) -> None:
    case = resolve_case(HOST, "medical_coding", parameters)
    assert CaseSchema(HOST).validate(case.to_json_dict()) == case


@given(st.dictionaries(st.text(min_size=1), st.none() | st.integers() | st.text(), max_size=3))
def test_any_rubbish_gives_an_error_of_ours_or_a_case(parameters: dict[str, Any]) -> None:
    try:
        assert isinstance(resolve_case(HOST, "medical_coding", parameters), CaseConfig)
    except ConfigError as error:
        silent = [problem for problem in error.problems if not (problem.fix and problem.where)]
        if silent:
            pytest.fail(f"no advice in {silent}")


def test_parameters_are_json_or_text() -> None:
    items = ["seed=1", "strategy=lora", "x.y=[1, null]", "note=a=b", "digits=007", "flag=true"]
    assert parse_parameters(items) == {
        "seed": 1,
        "strategy": "lora",
        "x.y": [1, None],
        "note": "a=b",
        "digits": "007",
        "flag": True,
    }


def test_a_parameter_may_be_written_as_case_files_and_descriptions_have_it() -> None:
    items = [
        "composition={stack: [language, task]}",
        "targets=[query, value]",
        "rates={backbone: 3e-5, head: 1e-4}",
    ]
    assert parse_parameters(items) == {
        "composition": {"stack": ["language", "task"]},
        "targets": ["query", "value"],
        "rates": {"backbone": 3e-5, "head": 1e-4},
    }


@pytest.mark.parametrize(
    "text", ["[CLS] heart", "{", "{a: 1, a: 2}", "{[1]: 2}", "[*a]", "[!!python/name:os.system]"]
)
def test_what_only_looks_like_a_list_is_text(text: str) -> None:
    assert parse_parameters([f"text={text}"]) == {"text": text}


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_a_parameter_nested_too_deep_is_no_crash(opening: str) -> None:
    assert parse_parameters([f"text={opening * 5000}"]) == {"text": opening * 5000}


def test_a_rate_in_a_case_file_may_have_an_exponent_alone(tmp_path: Path) -> None:
    """YAML 1.1 takes 1e-4 for text."""
    (tmp_path / "case.yaml").write_text("training: {learning_rate: 1e-4}\nname: 1e5x")
    case = read_case_file(tmp_path / "case.yaml").case
    assert case == {"training": {"learning_rate": 1e-4}, "name": "1e5x"}


def test_a_value_of_no_allowed_type_is_told_once() -> None:
    (problem,) = problems({"strategy": {"kind": "lora", "targets": "atention"}})
    assert problem.where == "strategy.targets"
    assert "array" in problem.expected
    assert "'attention' or 'all'" in problem.expected
    assert problem.fix == "did you mean `attention`?"


@pytest.mark.parametrize("items", [["seed"], ["=1"], ["seed=1", "seed=2"]])
def test_malformed_parameters_are_told(items: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse_parameters(items)


@pytest.mark.parametrize("changes", [{"strategy": "x" * 9999}, {"strategy": {"kind": ["x"] * 9}}])
def test_what_is_found_is_told_in_a_few_words(changes: dict[str, Any]) -> None:
    changes = changes | {"evaluation": {"primary": "y" * 9999}}
    with pytest.raises(ConfigError) as caught:
        load_case("medical_coding", overrides=changes)
    assert caught.value.problems
    assert all(len(problem.found) <= 120 for problem in caught.value.problems)


def test_every_field_of_every_config_is_described() -> None:
    models: list[type[BaseModel]] = [CaseConfig]
    for kind in dict(PLUGIN_FIELDS.values()):
        models += [descriptor.config for descriptor in HOST.descriptors(kind)]
    rows = [(model.__name__, *row) for model in models for row in field_rows(model)]
    bare = [(row[0], row[1]) for row in rows if not row[4] and not row[1].endswith("kind")]
    assert len(rows) >= 100
    assert bare == []


def test_a_case_is_frozen() -> None:
    case = load_case("medical_coding", HOST)
    with pytest.raises(ValueError, match="frozen"):
        case.seed = 3  # type: ignore[misc]


def test_a_plugin_says_itself_what_is_wrong_with_its_config() -> None:
    """Its own problems come out, at their places in the case, beside all others."""
    overrides = {
        "strategy": {"kind": "adapter", "composition": {"stack": [{"stak": ["a", "b"]}, "c"]}},
        "seed": -1,
    }
    with pytest.raises(ConfigError) as caught:
        load_case("medical_coding", overrides=overrides)
    problems = {problem.code: problem for problem in caught.value.problems}
    assert problems.keys() == {"composition.unknown_block", "config.invalid"}
    assert problems["composition.unknown_block"].where == "strategy.composition.stack.0"
    assert "`stack`" in problems["composition.unknown_block"].fix
