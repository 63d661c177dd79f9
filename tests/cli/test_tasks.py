"""A run of several tasks from the command line: its results, and predictions for one of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from tunebook.errors import ExitCode
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.schema import CaseSchema

Invoke = Callable[..., Any]
TASKS = {"topic": {}, "side": {"task": {"label": "side", "text": "note"}}}


@pytest.fixture(scope="module")
def run(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        row | {"side": "left" if "left" in row["text"] else "none", "note": row["text"]}
        for row in tiny.rows()
    ]
    content = tiny.case_content(
        tiny_bert,
        data={"kind": "memory", "rows": rows},
        tasks=TASKS,
        split={"kind": "grouped"},
        strategy="feature_extraction",
    )
    case = CaseSchema(PluginHost()).validate(content)
    made = run_case(case, runs_dir=tmp_path_factory.mktemp("runs"), listeners=[])
    return made.directory.path


def test_show_has_a_table_for_each_task(invoke: Invoke, run: Path) -> None:
    told = invoke("show", run).output
    for name in TASKS:
        assert f"task {name}: test split" in told
        assert f"task {name}: differences, paired" in told
    assert "topic macro_f1 0." in told
    data = json.loads(invoke("show", run, "--json").stdout)
    assert {*data["record"]["tasks"]} == {*TASKS}


def test_the_list_has_a_headline_for_each_task(invoke: Invoke, run: Path) -> None:
    told = json.loads(invoke("--runs-dir", run.parents[1], "runs", "--json").stdout)
    (listed,) = told["runs"]
    assert {name: each["score"] for name, each in listed["headline"].items()} == {
        "topic": "macro_f1",
        "side": "macro_f1",
    }


def test_a_task_is_asked_by_name(invoke: Invoke, run: Path) -> None:
    for name, classes in (("topic", {"heart", "lung", "skin"}), ("side", {"left", "none"})):
        result = invoke("predict", run, "--task", name, "heart valve", "--json")
        (prediction,) = json.loads(result.stdout)["predictions"]
        assert {*prediction["probabilities"]} == classes


def test_a_file_is_read_by_the_column_of_the_task(
    invoke: Invoke, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("text,note\nskin rash,lung cough\n")
    for name, text in (("topic", "skin rash"), ("side", "lung cough")):
        result = invoke("predict", run, "--task", name, "--file", tmp_path / "new.csv", "--json")
        assert [p["text"] for p in json.loads(result.stdout)["predictions"]] == [text]


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ((), "use one of `side`, `topic`"),
        (("--task", "topc"), "did you mean `topic`?"),
    ],
)
def test_a_task_that_is_not_there_is_told(
    invoke: Invoke, run: Path, options: tuple[str, ...], fix: str
) -> None:
    result = invoke("predict", run, *options, "heart valve")
    assert result.exit_code == ExitCode.CONFIG
    assert fix in result.stderr
