"""A run that is repeated: identical, or told why not."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from tunebook.errors import ConfigError, DataError, TunebookError
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Limits, Plan, launch
from tunebook.notebooks.rerun import Repeatable
from tunebook.records import RunDirectory
from tunebook.schema import CaseSchema

pytestmark = pytest.mark.slow


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rerun")


@pytest.fixture(scope="module")
def first(place: Path, tiny_bert: Path) -> RunDirectory:
    """A run on a CSV file, in one thread."""
    write_rows(place / "rows.csv", tiny.rows())
    content = tiny.case_content(tiny_bert, data={"kind": "csv", "path": str(place / "rows.csv")})
    content["training"] = content["training"] | {"epochs": 1}
    case = CaseSchema(PluginHost()).validate(content)
    torch.set_num_threads(1)
    run, record = launch(Plan(case, None, {}), PluginHost(), place / "runs")
    assert record.status == "succeeded", record.error
    return run


@pytest.fixture(autouse=True)
def _as_it_was(place: Path, first: RunDirectory) -> Any:
    """Puts data and threads back after a test has changed them."""
    before = (place / "rows.csv").read_bytes()
    yield
    (place / "rows.csv").write_bytes(before)
    torch.set_num_threads(1)


def of(run: RunDirectory) -> Repeatable:
    return Repeatable.of(run, PluginHost())


def test_the_record_says_what_came_out_and_of_what(first: RunDirectory) -> None:
    record = first.read_record()
    assert {"predictions", "model/trained.safetensors"} <= {*record.outputs}
    assert {*record.code} == {"tunebook", "tunebook_plugins"}
    assert all(len(each) == 64 for each in (*record.outputs.values(), *record.code.values()))
    assert record.hardware["threads"] == 1
    assert record.hardware["interop_threads"] >= 1


def test_a_repeated_run_is_identical(first: RunDirectory, place: Path) -> None:
    again, found = of(first).repeat(place / "runs", Limits())
    assert found is not None
    assert found.identical, found
    assert (found.differences, found.scores, found.unknown) == ((), (), ())
    assert again.run_id != first.run_id
    assert of(first).check().differences == ()


def test_a_changed_row_is_found(first: RunDirectory, place: Path) -> None:
    rows = tiny.rows()
    train = [row for row in rows if row["label"] == "skin"]
    for row in train[:10]:
        row["text"] += " rash"
    write_rows(place / "rows.csv", rows)
    (checked,) = of(first).check().differences
    assert (checked.aspect, checked.item, checked.likelihood) == ("data", "fingerprint", "certain")
    _, found = of(first).repeat(place / "runs", Limits())
    assert found is not None
    assert not found.identical
    assert found.differences[0] == checked
    assert found.same["model/trained.safetensors"] is False


def test_other_threads_are_found(first: RunDirectory, place: Path) -> None:
    torch.set_num_threads(2)
    _, found = of(first).repeat(place / "runs", Limits())
    assert found is not None
    assert [(each.aspect, each.item) for each in found.differences] == [("threads", "threads")]
    assert (found.differences[0].before, found.differences[0].after) == (1, 2)


def test_another_precision_is_no_repetition(first: RunDirectory) -> None:
    record = first.read_record()
    first.write_record(record.updated(precision={"name": "bf16", "why": "a test"}))
    try:
        (difference,) = of(first).check().differences
    finally:
        first.write_record(record)
    assert (difference.aspect, difference.before, difference.after) == ("precision", "bf16", "fp32")


def test_data_that_are_gone_are_an_error_of_the_data(first: RunDirectory, place: Path) -> None:
    (place / "rows.csv").unlink()
    with pytest.raises(DataError):
        of(first).check()
    again, found = of(first).repeat(place / "runs", Limits())
    assert found is None
    assert again.read_record().error["type"] == "DataError"  # type: ignore[index]


Damage = Callable[[RunDirectory], object]


def write(name: str, text: str) -> Damage:
    return lambda run: (run.path / name).write_text(text)


def change(name: str, **changes: Any) -> Damage:
    def apply(run: RunDirectory) -> None:
        path = run.path / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (change("record.json", status="failed"), "rerun.not_succeeded"),
        (change("record.json", status="running"), "rerun.not_succeeded"),
        (change("record.json", schema_version=99), "record.newer"),
        (write("record.json", "{"), "record.unreadable"),
        (write("case.json", "{"), "record.unreadable"),
        (write("case.json", "[]"), "record.unreadable"),
        (change("case.json", strategy={"kind": "gone"}), "config.unknown_kind"),
        (change("launch.json", notebook="/no/such.ipynb"), "launch.file_gone"),
        (change("launch.json", plugin_files=["/no/such.py"]), "launch.file_gone"),
        (change("launch.json", schema_version=99), "launch.newer"),
    ],
)
def test_what_cannot_be_repeated_is_told(
    first: RunDirectory, tmp_path: Path, damage: Damage, code: str
) -> None:
    copy = RunDirectory(tmp_path / "copy")
    copy.path.mkdir()
    for name in ("record.json", "case.json", "launch.json"):
        (copy.path / name).write_bytes((first.path / name).read_bytes())
    damage(copy)
    with pytest.raises(TunebookError) as caught:
        of(copy)
    assert isinstance(caught.value, ConfigError)
    assert caught.value.problems[0].code == code
