"""What there is to choose from: plugins, schema, describe, validate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from tunebook.cases import parse_parameters
from tunebook.cli.answers import table
from tunebook.cli.reference import SCHEMA_KINDS
from tunebook.config import PluginConfig
from tunebook.errors import ConfigError, ExitCode
from tunebook.host import PluginHost
from tunebook.reference import field_rows, reference, where_it_works
from tunebook.specs import Tags

Invoke = Callable[..., Any]


def data(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_plugins_lists_all_kinds(invoke: Invoke) -> None:
    listing = data(invoke("plugins", "--json"))["plugins"]
    kinds = {plugin["kind"] for plugin in listing}
    assert kinds == {"strategy", "metric", "augmenter", "datasource", "model", "case", "executor"}
    assert {"full", "lora", "adapter", "feature_extraction"} <= {p["name"] for p in listing}
    text = invoke("plugins").stdout
    assert len(text.splitlines()) == len(listing) + 1
    assert all(plugin["name"] in text for plugin in listing)


def test_plugins_says_what_is_missing(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "far.py").write_text(
        """
from typing import Literal
from tunebook import PluginConfig, hookimpl
from tunebook.specs import StrategyPlugin

class FarConfig(PluginConfig):
    kind: Literal["far"] = "far"

@hookimpl
def tunebook_strategies():
    needs = ("no_such_module",)
    yield StrategyPlugin("far", "Away.", FarConfig, "far:Far", needs, "pip install far")
"""
    )
    listing = data(invoke("plugins", "--json", "--plugin", "far.py"))["plugins"]
    (far,) = [plugin for plugin in listing if plugin["name"] == "far"]
    assert far["available"] is False
    assert far["why_not"] == "needs no_such_module: pip install far"


def test_schema_of_a_case_is_closed_over_the_plugins(invoke: Invoke) -> None:
    schema = json.loads(invoke("schema").stdout)
    assert schema == data(invoke("schema", "case", "--json"))["schema"]
    assert schema["additionalProperties"] is False
    assert "lora" in json.dumps(schema["properties"]["strategy"])


def test_schema_of_every_plugin(invoke: Invoke) -> None:
    host = PluginHost()
    plugins = [(kind, name) for kind in SCHEMA_KINDS for name in host.names(kind)]
    assert len(plugins) >= 15
    for kind, name in plugins:
        schema = data(invoke("schema", kind, name, "--json"))["schema"]
        assert schema["properties"]["kind"]["const"] == name


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["strtegy", "lora"], "did you mean `strategy`?"),
        (["strategy", "lroa"], "did you mean `lora`?"),
        (["strategy"], "use one of"),
        (["case", "lora"], "drop it"),
    ],
)
def test_schema_of_something_else(invoke: Invoke, arguments: list[str], fix: str) -> None:
    result = invoke("schema", *arguments)
    assert result.exit_code == ExitCode.CONFIG
    assert fix in result.stderr


def test_keys_of_named_sections_show_where_the_name_goes() -> None:
    keys = [key for key, *_ in reference(PluginHost(), "case")["fields"]]
    assert "tasks.NAME.task.label" in keys
    assert not [key for key in keys if key.startswith("tasks.") and ".NAME." not in key]


def test_describe_explains_every_plugin_and_case(invoke: Invoke) -> None:
    host = PluginHost()
    kinds = (*SCHEMA_KINDS, "case")
    names = {f"{kind}:{name}" for kind in kinds for name in host.names(kind)} | {"case"}
    assert len(names) >= 22
    for name in names:
        content = data(invoke("describe", name, "--json"))
        assert content["name"] == name.split(":")[-1]
        text = invoke("describe", name).stdout
        assert all(row["key"] in text for row in content["fields"])


def test_a_name_that_two_kinds_share_must_say_which(invoke: Invoke) -> None:
    result = invoke("describe", "hub")
    assert result.exit_code == ExitCode.CONFIG
    assert "write `datasource:hub` or `model:hub`" in result.stderr


def test_describe_says_type_default_and_meaning(invoke: Invoke) -> None:
    rows = {row["key"]: row for row in data(invoke("describe", "lora", "--json"))["fields"]}
    assert rows["r"]["type"].startswith("int")
    assert rows["r"]["default"].isdigit()
    assert rows["r"]["description"]


def test_describe_begins_with_five_lines_about_a_strategy(invoke: Invoke) -> None:
    strategies = PluginHost().names("strategy")
    assert len(strategies) >= 14
    for name in strategies:
        lines = invoke("describe", name).stdout.splitlines()
        content = data(invoke("describe", name, "--json"))
        keys = ["summary", "when", "cost", "where", "paper"]
        assert [line.split()[0] for line in lines[:5]] == [name, *keys[1:]]
        assert [line.split(maxsplit=1)[1] for line in lines[:5]] == [content[key] for key in keys]
        assert lines[5] == ""


def test_where_a_strategy_works_is_read_from_its_tags() -> None:
    tags = Tags(
        tasks=("regression", "multi_label"),
        families=("decoder", "encoder"),
        forms=("linear",),
        architectures=("bert", "gpt2"),
    )
    where = "encoders and decoders, with a linear head; only bert, gpt2; regression and multi_label"
    assert where_it_works(tags) == where
    elsewhere = Tags(tasks=("regression",), unsuited={"t5": "", "mt5": "", "a": "", "b": ""})
    assert "; not t5, mt5, a and 1 more; regression" in where_it_works(elsewhere)
    assert where_it_works(Tags(tasks=("regression",), multitask=False)).endswith(
        "; regression, one task at a time"
    )


class Odd(PluginConfig):
    kind: Literal["odd"] = "odd"
    share: float | None = Field(None, gt=0, le=1)
    warmup: float = Field(0, ge=0, lt=1)
    rank: int = Field(1, ge=1, le=1024)
    most: int | None = Field(None, le=5)
    scale: float = Field(1, gt=0)
    inner: float = Field(0.5, gt=0, lt=1)
    mode: Literal["a", "b"] = "a"
    rates: dict[str, Annotated[float, Ge(0)]] = Field({}, min_length=1)
    sizes: tuple[int | None, ...] = ()
    name: str = Field("a", min_length=1)
    sign: str = Field(",", min_length=1, max_length=1)
    on: bool = True


def test_bounds_read_like_words() -> None:
    assert {key: words for key, words, *_ in field_rows(Odd) if key != "kind"} == {
        "share": "float above 0 up to 1, or null",
        "warmup": "float from 0 to below 1",
        "rank": "int from 1 to 1024",
        "most": "int at most 5, or null",
        "scale": "float above 0",
        "inner": "float above 0 and below 1",
        "mode": "one of a, b",
        "rates": "mapping of str to float at least 0 not empty",
        "sizes": "list of (int, or null)",
        "name": "str not empty",
        "sign": "str of one sign",
        "on": "bool",
    }


def test_validate_prints_what_a_case_comes_to(invoke: Invoke) -> None:
    parameters = ["-p", "strategy=lora", "-p", "strategy.r=4", "-p", "seed=3"]
    case = data(invoke("validate", "medical_coding", *parameters, "--json"))["case"]
    assert (case["strategy"]["kind"], case["strategy"]["r"], case["seed"]) == ("lora", 4, 3)
    text = invoke("validate", "medical_coding", *parameters).stdout
    assert "lora(r=4" in text


def test_validate_reports_all_mistakes_at_once(invoke: Invoke) -> None:
    wrong = ["stratgy=lora", "seed=x", "training.epochs=-1", "text.long_texts=windws"]
    result = invoke("validate", "medical_coding", *(a for item in wrong for a in ("-p", item)))
    assert result.exit_code == ExitCode.CONFIG
    assert "did you mean `strategy`?" in result.stderr
    assert "did you mean `windows`?" in result.stderr
    assert all(f"where       {key}" in result.stderr for key in ("seed", "training.epochs"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["medcal_coding"], "case.unknown"),
        (["missing.yaml"], "case.unreadable"),
        (["medical_coding", "-p", "seed"], "parameter.form"),
        (["medical_coding", "-p", "seed=1", "-p", "seed=2"], "parameter.twice"),
        (["medical_coding", "-p", "preset=smok"], "case.unknown_preset"),
        (["medical_coding", "-p", "seed.deep=1"], "config.invalid"),
    ],
)
def test_validate_refuses(invoke: Invoke, arguments: list[str], code: str) -> None:
    result = invoke("validate", *arguments)
    assert result.exit_code == ExitCode.CONFIG
    assert f"error: {code}" in result.stderr
    assert result.stdout == ""


KEYS = st.text(st.characters(exclude_characters="="), min_size=1, max_size=8)
VALUES = st.none() | st.booleans() | st.integers() | st.lists(st.text(max_size=4), max_size=3)


@given(values=st.dictionaries(KEYS, VALUES, max_size=4))
def test_json_parameters_come_back(values: dict[str, Any]) -> None:
    items = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    assert parse_parameters(items) == values


@given(key=KEYS, text=st.text(max_size=20))
def test_a_value_that_is_not_json_is_text(key: str, text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = text
    parsed = parse_parameters([f"{key}={text}"])
    assert json.dumps(parsed) == json.dumps({key: expected})


@given(items=st.lists(st.text(st.characters(exclude_characters="=")), min_size=1, max_size=4))
def test_every_item_without_an_equals_sign_is_reported(items: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_parameters(items)
    assert [problem.code for problem in caught.value.problems] == ["parameter.form"] * len(items)


def test_a_table_is_aligned_and_keeps_to_one_line_a_row() -> None:
    assert (
        table([("a", 1), ("long\nname", "x")], ("k", "v"))
        == "k          v\na          1\nlong name  x"
    )
    assert table([]) == ""
