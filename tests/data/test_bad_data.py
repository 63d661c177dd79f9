"""Every way in which data can be wrong: one structured error that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunebook.contracts import Card, SourceData
from tunebook.data.loading import load_dataset
from tunebook.errors import ConfigError, DataError, Problem, TunebookError
from tunebook.host import PluginHost

Refused = Callable[..., TunebookError]
Rows = Callable[..., list[dict[str, Any]]]
GIVEN = {"kind": "given"}
GROUPED = {"kind": "grouped"}


def only_problem(error: TunebookError, code: str) -> Problem:
    assert isinstance(error, DataError)
    assert error.exit_code == 3
    (problem,) = error.problems
    assert problem.code == code
    assert all((problem.where, problem.expected, problem.found, problem.fix))
    return problem


def file_with(folder: Path, name: str, content: str | bytes) -> str:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


def csv_at(path: str, **options: Any) -> dict[str, Any]:
    return {"kind": "csv", "path": path, **options}


# columns


def test_misspelt_columns_are_all_named(refused: Refused, rows: Rows):
    error = refused(rows(5), task={"text": "txet", "label": "lable", "id": "Id"}, split=GROUPED)
    assert error.exit_code == 3
    assert {p.code for p in error.problems} == {"data.unknown_column"}
    assert [(p.where, p.fix) for p in error.problems] == [
        ("task.text", "did you mean `text`?"),
        ("task.label", "did you mean `label`?"),
        ("task.id", "did you mean `id`?"),
    ]


@pytest.mark.parametrize(
    ("split", "where"),
    [(GIVEN | {"column": "prat"}, "split.column"), (GROUPED | {"group": "gruop"}, "split.group")],
)
def test_a_misspelt_column_of_the_split(refused: Refused, rows: Rows, split: Any, where: str):
    problem = only_problem(
        refused([row | {"part": "train"} for row in rows(5)], split=split), "data.unknown_column"
    )
    assert problem.where == where
    assert problem.fix in ("did you mean `part`?", "did you mean `group`?")


# rows


def test_no_rows(refused: Refused):
    assert "give a source with rows" in only_problem(refused([]), "data.empty").fix


def test_mostly_empty_texts(refused: Refused, rows: Rows):
    holes = [{"text": hole, "label": "lung"} for hole in (None, "", " ", "\n\t")]
    problem = only_problem(refused([*rows(1), *holes]), "data.mostly_empty")
    assert problem.where == "rows in memory, column `text`, rows 3, 4, 5, 6"
    assert problem.found == "4 of 6"
    assert "task.text" in problem.fix


def test_mostly_empty_labels(refused: Refused, rows: Rows):
    unlabelled = [{"text": f"t{n}"} for n in range(20)]
    problem = only_problem(refused([*rows(1), *unlabelled]), "data.mostly_empty")
    assert "column `label`, rows 3, 4, 5, 6, 7 and 15 more" in problem.where
    assert "task.label" in problem.fix


@pytest.mark.parametrize("cell", [3, 2.5, True, ["a"], {"a": 1}, "\ud800"])
def test_cells_that_are_not_text(refused: Refused, rows: Rows, cell: Any):
    bad = rows(5)
    bad[6]["text"] = cell
    problem = only_problem(refused(bad), "data.not_text")
    assert problem.where == "rows in memory, column `text`, row 7"
    assert type(cell).__name__ in problem.found


def test_a_column_of_numbers_is_not_text(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", "text,label\n" + "3.5,a\n4,b\n" * 5)
    problem = only_problem(refused(csv_at(path)), "data.not_text")
    assert "numbers" in problem.found
    assert "task.text" in problem.fix


@pytest.mark.parametrize("cell", [2.5, ["a"], {"a": 1}, float("inf")])
def test_labels_that_are_not_names(refused: Refused, rows: Rows, cell: Any):
    bad = rows(5)
    bad[0]["label"] = cell
    problem = only_problem(refused(bad), "data.not_a_name")
    assert problem.where == "rows in memory, column `label`, row 1"


def test_duplicated_ids(refused: Refused, rows: Rows):
    twice = [row | {"id": row["id"].replace("heart3", "heart1")} for row in rows(5)]
    problem = only_problem(refused(twice, task={"id": "id"}), "data.duplicate_ids")
    assert problem.where == "rows in memory, column `id`, rows 2, 4"
    assert "`heart1`" in problem.found


@pytest.mark.parametrize(
    ("column", "sections"),
    [("id", {"task": {"id": "id"}}), ("group", {"split": GROUPED}), ("split", {"split": GIVEN})],
)
def test_missing_ids_groups_and_splits(
    refused: Refused, rows: Rows, column: str, sections: dict[str, Any]
):
    bad = [row | {"split": "train"} for row in rows(5)]
    bad[2][column] = None
    problem = only_problem(refused(bad, **sections), f"data.missing_{column}")
    assert problem.where == f"rows in memory, column `{column}`, row 3"


def test_several_problems_come_together(refused: Refused, rows: Rows):
    bad = rows(5)
    bad[0]["text"], bad[1]["label"] = 7, ["a"]
    codes = [problem.code for problem in refused(bad).problems]
    assert codes == ["data.not_text", "data.not_a_name"]


def test_nothing_is_left_after_cleaning(refused: Refused):
    both = [{"text": "same", "label": label} for label in "ab"]
    problem = only_problem(refused(both), "data.empty")
    assert "2 rows whose text also comes with another label" in problem.found


# classes


def test_one_class_only(refused: Refused, rows: Rows):
    problem = only_problem(refused(rows(9, labels=["heart"])), "data.one_class")
    assert problem.found == "only `heart`"
    assert problem.where == "rows in memory, column `label`"
    assert "task.label" in problem.fix


def test_a_class_with_one_example(refused: Refused, rows: Rows):
    problem = only_problem(refused([*rows(9), {"text": "x", "label": "skin"}]), "data.rare_class")
    assert "`skin` (1)" in problem.found
    assert "`task.rare_classes` to `drop`" in problem.fix


def test_all_classes_but_one_are_dropped(refused: Refused, rows: Rows):
    data = [*rows(9, labels=["heart"]), {"text": "x", "label": "skin"}]
    problem = only_problem(refused(data, task={"rare_classes": "drop"}), "data.one_class")
    assert "1 more were too rare" in problem.found


def test_all_classes_are_dropped(refused: Refused, rows: Rows):
    data = rows(1, labels="abc")
    problem = only_problem(refused(data, task={"rare_classes": "drop"}), "data.empty")
    assert "3 rows of 3 classes" in problem.found


# splits


def named(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [row | {"split": names[n % len(names)]} for n, row in enumerate(rows)]


def test_labels_in_test_that_are_not_in_train(refused: Refused, rows: Rows):
    data = named(rows(9), "train", "validation", "test")
    data += named(rows(3, labels=["haert"]), "test")
    problem = only_problem(refused(data, split=GIVEN), "data.unseen_label")
    assert problem.found == "`haert`"
    assert problem.where == "rows in memory, column `label`, test"
    assert problem.fix == "did you mean `heart`?"


def test_groups_that_keep_a_class_out_of_training(refused: Refused, rows: Rows):
    data = rows(60) + [{"text": f"s{n}", "label": "skin", "group": "only"} for n in range(4)]
    for seed in range(20):  # some seed puts the only group of a class outside of train
        try:
            problem = only_problem(
                refused(data, split=GROUPED | {"seed": seed}), "data.unseen_label"
            )
        except pytest.fail.Exception:
            continue
        assert "`split.balance` to `labels`" in problem.fix
        return
    pytest.fail("no seed of twenty did it")


def test_unknown_names_of_splits(refused: Refused, rows: Rows):
    error = refused(named(rows(9), "train", "valdation", "dev", "test"), split=GIVEN)
    assert error.exit_code == 3
    assert [p.code for p in error.problems] == ["data.unknown_split"] * 2
    assert error.problems[1].fix == "did you mean `validation`?"
    assert "`dev`" in error.problems[0].found


def test_a_share_of_train_beside_validation_rows(refused: Refused, rows: Rows):
    data = named(rows(9), "train", "validation", "test")
    error = refused(data, split=GIVEN | {"validation": 0.2})
    assert error.exit_code == 3
    problem = only_problem(error, "data.validation_twice")
    assert (problem.where, problem.fix) == ("split.validation", "leave split.validation out")


@pytest.mark.parametrize(
    ("names", "missing"),
    [(("train",), "validation and test"), (("train", "test"), "validation"), (("test",), "train")],
)
def test_a_given_split_without_rows(refused: Refused, rows: Rows, names: Any, missing: str):
    problem = only_problem(refused(named(rows(9), *names), split=GIVEN), "data.empty_split")
    assert f"none in {missing}" in problem.found


def test_too_few_groups(refused: Refused, rows: Rows):
    data = [row | {"group": f"g{n % 4}"} for n, row in enumerate(rows(20))]
    problem = only_problem(refused(data, split=GROUPED), "data.empty_split")
    assert "40 rows in 4 groups" in problem.found
    assert "more groups" in problem.fix


# files


def test_a_missing_file(refused: Refused, tmp_path: Path):
    file_with(tmp_path, "tickets.csv", "text,label\n")
    problem = only_problem(refused(csv_at(str(tmp_path / "tickts.csv"))), "data.missing_file")
    assert problem.where == str(tmp_path / "tickts.csv")
    assert problem.fix == "did you mean `tickets.csv`?"


@pytest.mark.parametrize("path", ["nowhere/a.csv", "."])
def test_a_folder_that_has_no_file(refused: Refused, tmp_path: Path, path: str):
    only_problem(refused(csv_at(str(tmp_path / path))), "data.missing_file")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_empty_file(refused: Refused, tmp_path: Path, kind: str):
    path = file_with(tmp_path, f"a.{kind}", "")
    problem = only_problem(refused({"kind": kind, "path": path}), "data.empty_file")
    assert problem.where == path


@pytest.mark.parametrize("content", ["\n \n", "\ufeff"])
def test_a_file_of_nothing_but_space(refused: Refused, tmp_path: Path, content: str):
    only_problem(refused(csv_at(file_with(tmp_path, "a.csv", content))), "data.empty_file")


def test_a_header_without_rows(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", "text,label\n")
    assert only_problem(refused(csv_at(path)), "data.empty").where == path


def test_a_parquet_file_without_rows(refused: Refused, tmp_path: Path):
    path = str(tmp_path / "a.parquet")
    pd.DataFrame({"text": [], "label": []}).to_parquet(path)
    only_problem(refused({"kind": "parquet", "path": path}), "data.empty")


@pytest.mark.parametrize("damage", [b"no parquet at all", "head", "middle"])
def test_a_corrupt_parquet_file(refused: Refused, rows: Rows, tmp_path: Path, damage: Any):
    file = tmp_path / "a.parquet"
    pd.DataFrame(rows(500)).to_parquet(file, compression="gzip")
    whole = file.read_bytes()
    ruined = {"head": whole[: len(whole) // 2], "middle": whole[:40] + bytes(200) + whole[240:]}
    file.write_bytes(ruined.get(damage, damage))
    problem = only_problem(refused({"kind": "parquet", "path": str(file)}), "data.corrupt")
    assert problem.where == str(file)


def test_bad_lines_of_a_jsonl_file_are_all_named(refused: Refused, tmp_path: Path):
    good = json.dumps({"text": "a", "label": "b"})
    path = file_with(tmp_path, "a.jsonl", f"{good}\n\n{{bad\n{good}\n[1]\n")
    error = refused({"kind": "jsonl", "path": path})
    assert error.exit_code == 3
    assert [p.code for p in error.problems] == ["data.bad_line"] * 2
    assert [p.where for p in error.problems] == [f"{path}, line 3", f"{path}, line 5"]
    assert "one JSON object a line" in error.problems[0].fix


def test_bad_lines_are_not_listed_without_end(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.jsonl", "no\n" * 1000)
    assert len(refused({"kind": "jsonl", "path": path}).problems) == 5


def test_uneven_lines_of_a_csv_file(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", 'text,label\na,b\n"two\nlines",b\na,b,c\na\n')
    error = refused(csv_at(path))
    assert [p.code for p in error.problems] == ["data.bad_line"] * 2
    assert [p.where for p in error.problems] == [f"{path}, line 5", f"{path}, line 6"]
    assert error.problems[0].expected == "2 cells"


def test_an_open_quotation_mark(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", 'text,label\n"a,b\nc,d\n')
    problem = only_problem(refused(csv_at(path)), "data.bad_line")
    assert "quotation mark" in problem.fix


def test_another_delimiter(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", "text;label\na;b\n")
    problem = only_problem(refused(csv_at(path)), "data.delimiter")
    assert problem.fix == 'set `data.delimiter` to ";"'


def test_another_encoding(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", "text,label\ncafé,b\n".encode("cp1252"))
    problem = only_problem(refused(csv_at(path)), "data.encoding")
    assert "cp1252" in problem.fix


def test_an_encoding_that_does_not_exist(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", "text,label\na,b\n")
    problem = only_problem(refused(csv_at(path, encoding="utf8x")), "data.encoding")
    assert problem.where == "data.encoding"
    assert problem.fix == "did you mean `utf-8`?"


def test_two_columns_of_one_name(refused: Refused, tmp_path: Path):
    path = file_with(tmp_path, "a.csv", "text,label,text\na,b,c\n")
    problem = only_problem(refused(csv_at(path)), "data.duplicate_columns")
    assert "`text`" in problem.found


# plugins of strangers


class Lone(PluginHost):
    """A host whose only source returns what it was given."""

    def __init__(self, result: Any) -> None:
        super().__init__(discover=False)
        self._result = result

    def create(self, *_: Any) -> Any:
        return self

    def load(self) -> Any:
        return self._result


def test_a_source_that_returns_something_else(make_case: Callable[..., Any]):
    with pytest.raises(ConfigError) as caught:
        load_dataset(make_case({"kind": "memory", "rows": ()}), Lone([{"text": "a"}]))
    (problem,) = caught.value.problems
    assert (problem.code, caught.value.exit_code) == ("datasource.result", 2)
    assert "`load`" in problem.fix


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT])
def test_any_kind_of_gap_is_a_gap(make_case: Callable[..., Any], rows: Rows, gap: Any):
    frame = pd.DataFrame(rows(9)).astype(object)
    frame.loc[0, "text"] = gap
    frame.loc[1, "label"] = gap
    source = SourceData(frame, Card("frame", "", "", ""))
    dataset = load_dataset(make_case({"kind": "memory", "rows": ()}), Lone(source))
    assert {f.code: f.count for f in dataset.findings} == {
        "data.empty_text": 1,
        "data.empty_label": 1,
    }
