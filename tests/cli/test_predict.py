"""Predicting from the command line: texts, files, and what is wrong with them."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.cli.predict import READERS
from tunebook.errors import ExitCode
from tunebook.records import RunDirectory

Invoke = Callable[..., Any]


class LengthClassifier:
    """Says `long` of texts above ten characters, with numbers that aren't plain floats."""

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        import numpy as np

        print("a library's chatter")
        return [
            {
                "label": "long" if len(text) > 10 else "short",
                "confidence": np.float32(0.75),
                "probabilities": {"long": np.float32(0.75), "short": np.float32(0.25)},
            }
            for text in texts
        ]


@pytest.fixture
def run(finished_run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a run whose model is the classifier above."""
    finished_run.model.mkdir()
    export = types.ModuleType("tunebook.export")
    export.load_classifier = lambda _, **__: LengthClassifier()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tunebook.export", export)
    return finished_run.run_id


def predictions(result: Any) -> list[tuple[str, str]]:
    assert result.exit_code == 0, result.stderr
    return [(p["text"], p["label"]) for p in json.loads(result.stdout)["predictions"]]


def test_texts(invoke: Invoke, run: str) -> None:
    result = invoke("predict", run, "brief", "rather a long one", "--json")
    assert predictions(result) == [("brief", "short"), ("rather a long one", "long")]
    first = json.loads(result.stdout)["predictions"][0]
    assert first["confidence"] == 0.75
    assert first["probabilities"] == {"long": 0.75, "short": 0.25}


def test_texts_as_a_table(invoke: Invoke, run: str) -> None:
    result = invoke("predict", run, "brief")
    assert result.stdout.split() == ["label", "confidence", "text", "short", "0.750", "'brief'"]
    assert "chatter" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.txt", "one\ntwo ümläut\n", []),
        ("a.txt", "one\r\ntwo ümläut", []),
        ("a.csv", "id,diagnosis\n1,one\n2,two ümläut\n", []),
        ("a.csv", "\ufeffdiagnosis\none\ntwo ümläut\n", []),
        ("a.csv", 'words,x\n"one",1\n"two ümläut",2\n', ["--column", "words"]),
        ("a.jsonl", '{"diagnosis": "one"}\n\n{"diagnosis": "two \\u00fcml\\u00e4ut"}\n', []),
        ("A.JSONL", '{"w": "one"}\n{"w": "two ümläut"}', ["--column", "w"]),
    ],
)
def test_files(
    invoke: Invoke, run: str, tmp_path: Path, name: str, content: str, options: list[str]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    result = invoke("predict", run, "--file", name, *options, "--json")
    assert [text for text, _ in predictions(result)] == ["one", "two ümläut"]


@pytest.mark.parametrize(
    ("name", "content", "code", "where"),
    [
        ("a.txt", "", "predict.empty", "a.txt"),
        ("a.txt", "one\n\nthree\n", "predict.bad_text", "a.txt:2"),
        ("a.csv", "", "predict.column", "a.csv"),
        ("a.csv", "diagnosis\n", "predict.empty", "a.csv"),
        ("a.csv", "diagnoses\none\n", "predict.column", "a.csv"),
        ("a.csv", "id,diagnosis\n1\n", "predict.bad_text", "a.csv: row 1"),
        ("a.csv", 'diagnosis\n"one\n', "predict.csv", "a.csv"),
        ("a.jsonl", '{"diagnosis": "one"}\n{', "predict.jsonl", "a.jsonl:2"),
        ("a.jsonl", '["one"]', "predict.jsonl", "a.jsonl:1"),
        ("a.jsonl", '{"diagnosis": "a"}\n{"other": 1}', "predict.column", "a.jsonl:2"),
        ("a.jsonl", '{"diagnosis": 5}', "predict.bad_text", "a.jsonl:1"),
        ("a.jsonl", '{"diagnosis": null}', "predict.bad_text", "a.jsonl:1"),
    ],
)
def test_bad_files(
    invoke: Invoke, run: str, tmp_path: Path, name: str, content: str, code: str, where: str
) -> None:
    (tmp_path / name).write_text(content)
    result = invoke("predict", run, "--file", name, "--json")
    assert result.exit_code == ExitCode.DATA
    (problem,) = json.loads(result.stdout)["error"]["problems"]
    assert (problem["code"], problem["where"]) == (code, where)


def test_a_missing_column_is_named_with_a_near_one(
    invoke: Invoke, run: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,diagnoses\n1,one\n")
    assert "did you mean `diagnoses`?" in invoke("predict", run, "--file", "a.csv").stderr


def test_a_missing_file_is_named_with_a_near_one(invoke: Invoke, run: str, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("one")
    result = invoke("predict", run, "--file", "leters.txt")
    assert result.exit_code == ExitCode.DATA
    assert "did you mean `letters.txt`?" in result.stderr


def test_a_file_that_is_not_utf8(invoke: Invoke, run: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("größer".encode("latin-1"))
    result = invoke("predict", run, "--file", "a.txt")
    assert result.exit_code == ExitCode.DATA
    assert "save it as UTF-8" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        ([], 2, "predict.input"),
        (["text", "--file", "a.txt"], 2, "predict.input"),
        (["--file", "a.xlsx"], 2, "predict.file_kind"),
        (["--file", "."], 2, "predict.file_kind"),
        (["text", "--column", "x"], 2, "predict.column"),
        (["--file", "a.txt", "--column", "x"], 2, "predict.column"),
        ([""], 3, "predict.bad_text"),
        (["fine", " \t\n"], 3, "predict.bad_text"),
    ],
)
def test_bad_calls(
    invoke: Invoke, run: str, arguments: list[str], exit_code: int, code: str
) -> None:
    result = invoke("predict", run, *arguments)
    assert result.exit_code == exit_code
    assert f"error: {code}" in result.stderr


def test_many_bad_rows_are_shown_ten_at_a_time(invoke: Invoke, run: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n" * 50)
    result = invoke("predict", run, "--file", "a.txt", "--json")
    assert len(json.loads(result.stdout)["error"]["problems"]) == 10


def test_a_run_without_a_model(invoke: Invoke, finished_run: RunDirectory) -> None:
    result = invoke("predict", finished_run.run_id, "text")
    assert result.exit_code == ExitCode.CONFIG
    assert "run.no_model" in result.stderr


TEXTS = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5)


@given(texts=TEXTS)
def test_what_is_written_as_csv_is_read(texts: list[str]) -> None:
    import csv
    import io

    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([["n", "text"], *([n, text] for n, text in enumerate(texts))])
    rows = READERS[".csv"](Path("a.csv"), buffer.getvalue(), "text")
    assert [value for _, value in rows] == texts


@given(texts=TEXTS)
def test_what_is_written_as_jsonl_is_read(texts: list[str]) -> None:
    content = "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    rows = READERS[".jsonl"](Path("a.jsonl"), content, "text")
    assert [value for _, value in rows] == texts
