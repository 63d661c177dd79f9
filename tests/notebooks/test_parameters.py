"""The parameters cell: what is written there is what is read, and nothing but literals passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.errors import ConfigError
from tunebook.notebooks import parameters_for, read_parameters
from tunebook.notebooks.parameters import case_parameters

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.from_regex(r"[a-z][a-z_0-9]{0,12}", fullmatch=True).filter(
    lambda name: name.isidentifier() and name not in __import__("keyword").kwlist
)


def write_notebook(path: Path, *sources: str, tag: str = "parameters") -> Path:
    """Writes a notebook with one tagged code cell for each of `sources`."""
    cells = [
        {"cell_type": "code", "id": f"c{n}", "source": source, "metadata": {"tags": [tag]}}
        for n, source in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}))
    return path


def problems_of(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read_parameters(path)
    return {problem.where: problem.code for problem in caught.value.problems}


@given(values=st.dictionaries(NAMES, JSON_VALUES, max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    path = write_notebook(tmp_path_factory.mktemp("nb") / "n.ipynb", source)
    assert read_parameters(path) == values


def test_annotations_comments_and_a_source_in_lines_are_fine(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", "x")
    content = json.loads(path.read_text())
    lines = ["# how many\n", "seed: int = -1\n", "rates = [1e-4,\n", "  2e-4]  # two"]
    content["cells"][0]["source"] = lines
    path.write_text(json.dumps(content))
    assert read_parameters(path) == {"seed": -1, "rates": [1e-4, 2e-4]}


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "seed = int('3')",
        "a = b = 1",
        "a, b = 1, 2",
        "a += 1",
        "a: int",
        "print(1)",
        "'a docstring'",
        "a = (1, 2)",
        "a = {1, 2}",
        "a = b'bytes'",
        "a = 1j",
        "a = 1e999",
        "a = {1: 'not a text key'}",
        "a = f'{1}'",
        "a.b = 1",
        "seed = 2  # a second time",
    ],
)
def test_anything_else_is_an_error_that_names_the_line(tmp_path: Path, line: str) -> None:
    path = write_notebook(tmp_path / "n.ipynb", f"seed = 1\n\n{line}\nlast = 2")
    assert problems_of(path) == {f"{path}: cell 1, line 3": "notebook.not_a_literal"}


def test_every_bad_line_is_reported(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", "a = f()\nb = 1\nc = g()")
    assert len(problems_of(path)) == 2


def test_a_cell_that_is_not_python_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", "a = 1\nb = = 2")
    assert problems_of(path) == {f"{path}: cell 1, line 2": "notebook.not_a_literal"}


@pytest.mark.parametrize("sources", [(), ("a = 1", "b = 2")])
def test_there_is_exactly_one_parameters_cell(tmp_path: Path, sources: tuple[str, ...]) -> None:
    path = write_notebook(tmp_path / "n.ipynb", *sources)
    assert problems_of(path) == {str(path): "notebook.parameters_cell"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"cells": 3}', '{"cells": [1]}', "null"])
def test_json_that_is_no_notebook(tmp_path: Path, text: str) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    assert problems_of(path) == {str(path): "notebook.not_a_notebook"}


def test_a_missing_notebook_is_an_error_with_a_near_name(tmp_path: Path) -> None:
    write_notebook(tmp_path / "medical.ipynb", "a = 1")
    with pytest.raises(ConfigError) as caught:
        read_parameters(tmp_path / "medcal.ipynb")
    assert "medical.ipynb" in caught.value.problems[0].fix


def test_a_binary_file_is_no_notebook(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(b"\xff\xfe\x00")
    assert problems_of(path) == {str(path): "notebook.not_a_notebook"}


CELL = 'strategy = "full"\nseed = 0\noverrides = {"text.max_tokens": 64}'


def test_listed_keys_go_in_as_they_are_and_others_become_overrides(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", CELL)
    given_values = {"seed": 1, "training.epochs": 2, "train_per_class": 8}
    assert parameters_for(path, given_values) == {
        "seed": 1,
        "overrides": {"text.max_tokens": 64, "training.epochs": 2, "train_per_class": 8},
    }


def test_nothing_given_injects_nothing(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", CELL)
    assert parameters_for(path, {}) == {}


def test_overrides_can_be_given_as_a_whole(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", CELL)
    given_values = {"overrides": {"a.b": 1}, "c.d": 2}
    expected = {"text.max_tokens": 64, "a.b": 1, "c.d": 2}
    assert parameters_for(path, given_values) == {"overrides": expected}


def test_overrides_must_be_a_mapping(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", CELL)
    with pytest.raises(ConfigError, match=r"parameter\.type"):
        parameters_for(path, {"overrides": "a.b=1"})


@pytest.mark.parametrize("nothing", ["None", "3", "[]"])
def test_overrides_that_are_no_mapping_take_nothing(tmp_path: Path, nothing: str) -> None:
    path = write_notebook(tmp_path / "n.ipynb", f"seed = 0\noverrides = {nothing}")
    for wanted in ({"overrides": {"training.epochs": 2}}, {"training.epochs": 2}):
        with pytest.raises(ConfigError, match=r"notebook\.unknown_parameter"):
            parameters_for(path, wanted)
    assert case_parameters(read_parameters(path), parameters_for(path, {"seed": 1})) == {"seed": 1}


def test_without_overrides_an_unlisted_key_is_an_error_with_a_near_name(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", 'strategy = "full"')
    with pytest.raises(ConfigError) as caught:
        parameters_for(path, {"stratgy": "lora"})
    (problem,) = caught.value.problems
    assert problem.code == "notebook.unknown_parameter"
    assert "did you mean `strategy`?" in problem.fix


def test_the_notebooks_own_values_belong_to_the_case(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", CELL)
    injected = parameters_for(path, {"seed": 5})
    expected = {"strategy": "full", "seed": 5, "text.max_tokens": 64}
    assert case_parameters(read_parameters(path), injected) == expected
