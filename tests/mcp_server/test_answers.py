"""Answers of bounded size: never larger than the limit, never a value that isn't there."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook.errors import ConfigError, Problem
from tunebook.mcp.answers import MOST_BYTES, UNTRUSTED, answer, as_text, error_answer, size

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=60,
)


def test_what_fits_is_whole() -> None:
    assert answer({"a": [1, "é"]}) == {"schema_version": 1, "a": [1, "é"]}


@settings(max_examples=40)
@given(data=st.dictionaries(st.text(max_size=8), VALUES, max_size=8), limit=st.integers(1200, 3000))
def test_no_answer_is_larger_than_the_limit(data: dict[str, Any], limit: int) -> None:
    data.pop("schema_version", None)
    told = answer(data, limit=limit)
    assert size(told) <= limit
    assert json.loads(as_text(told)) == told
    if "cut" not in told:
        assert told == {"schema_version": 1, **data}


@settings(max_examples=40)
@given(items=st.lists(st.text(max_size=300) | st.integers(), max_size=120))
def test_a_list_is_got_whole_part_by_part(items: list[Any]) -> None:
    data = {"a": {"b/c": items}}
    got: list[Any] = []
    calls = 0
    while True:
        told = answer(data, part="/a/b~1c", start=len(got), limit=3000)
        got += told["value"]
        calls += 1
        assert size(told) <= 3000
        if "next" not in told:
            break
        assert told["next"] == len(got)
    assert got == items
    assert calls <= 60


def test_a_text_is_got_whole_part_by_part() -> None:
    text = 'é\\"\n' * 10_000
    got = ""
    while len(got) < len(text):
        told = answer({"text": text}, part="text", start=len(got))
        got += told["value"]
    assert got == text


def test_a_hundred_megabytes_become_a_small_answer_soon() -> None:
    data = {"rows": [{"text": "x" * 1000, "number": n} for n in range(100_000)]}
    assert size(data) > 100_000_000
    began = time.monotonic()
    told = answer(data)
    assert size(told) <= MOST_BYTES
    assert time.monotonic() - began < 20
    assert told["cut"][0]["part"] == "/rows"
    assert told["cut"][0]["of"] == 100_000
    assert "part" in told["more"]
    rest = answer(data, part="/rows", start=99_999)
    assert rest["value"] == [{"text": "x" * 1000, "number": 99_999}]
    assert "next" not in rest


def test_a_mapping_is_got_whole_part_by_part() -> None:
    counts = {f"class {n}": n for n in range(10_000)}
    cut = answer({"tasks": {"": {"classes": counts}}})["cut"][0]
    assert cut["of"] == 10_000
    got: dict[str, int] = {}
    while len(got) < cut["of"]:
        told = answer({"tasks": {"": {"classes": counts}}}, part=cut["part"], start=len(got))
        assert size(told) <= MOST_BYTES
        got |= told["value"]
    assert got == counts


def test_the_part_of_an_only_task_is_its_own() -> None:
    data = {"tasks": {"": {"rows": 3}}}
    assert answer(data, part="/tasks/")["value"] == {"rows": 3}
    assert answer(data, part="/tasks")["value"] == {"": {"rows": 3}}
    assert answer(data, part="/tasks//rows")["value"] == 3


def test_one_large_value_of_a_mapping_is_cut_inside() -> None:
    data = {"a": {"first": 1, "deep": "z" * 100_000}}
    told = answer(data, part="/a", start=1)
    assert told["cut"] == [{"part": "/a/deep", "kept": 4000, "of": 100_000}]
    assert told["value"] == {"deep": "z" * 4000}


def test_one_item_that_is_too_large_is_cut_inside() -> None:
    told = answer({"rows": ["y", {"deep": "z" * 100_000}]}, part="/rows", start=1)
    assert told["cut"][0] == {"part": "/rows/1/deep", "kept": 4000, "of": 100_000}
    more = answer({"rows": ["y", {"deep": "z" * 100_000}]}, part="/rows/1/deep", start=4000)
    assert len(more["value"]) > 40_000


@pytest.mark.parametrize(("part", "near"), [("/rwos", "rows"), ("/rows/7", ""), ("/rows/x", "")])
def test_a_part_that_is_not_there(part: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        answer({"rows": [1]}, part=part)
    assert caught.value.problems[0].code == "mcp.no_such_part"
    assert near in caught.value.problems[0].fix


def test_past_the_end_is_nothing() -> None:
    assert answer({"rows": [1, 2]}, part="rows", start=9)["value"] == []


def test_numbers_of_libraries_and_values_that_json_lacks() -> None:
    told = answer({"a": np.float32(0.5), "b": float("nan"), "c": (1, {2}), "d": np.int64(3)})
    assert told == {"schema_version": 1, "a": 0.5, "b": None, "c": [1, [2]], "d": 3}
    assert as_text({"half": "\ud800"}) == '{"half":"\\ud800"}'


def test_a_file_name_that_is_no_utf8_can_be_sent() -> None:
    told = answer({"path": "runs/\udcff", "by \udcff": ["\udcff"], "of": Path("\udcff")})
    assert told == {
        "schema_version": 1,
        "path": "runs/\\udcff",
        "by \\udcff": ["\\udcff"],
        "of": "\\udcff",
    }
    as_text(told).encode("utf-8")


def test_untrusted_keys_are_marked_where_they_are() -> None:
    told = answer({"log": "text"}, untrusted=("log", "other"))
    assert told["untrusted"] == {"keys": ["log"], "note": UNTRUSTED}


def test_an_error_is_bounded_and_marked_too() -> None:
    many = [Problem("a.b", str(n), "x", "y" * 500, "z") for n in range(1000)]
    told = error_answer(ConfigError(*many))
    assert size(told) <= MOST_BYTES
    assert told["error"]["exit_code"] == 2
    assert told["error"]["problems"][0]["code"] == "a.b"
    assert told["untrusted"]["keys"] == ["error"]
