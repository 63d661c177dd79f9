"""A batch in a notebook and in a terminal: tables, single tests, pictures, and what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from IPython.display import Markdown

import tunebook as tb
from example_batch import add_run, save
from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder, BatchLog, BatchPlanFile
from tunebook.batch.pictures import PICTURES
from tunebook.batch.plan import entry_key
from tunebook.batch.states import Change
from tunebook.cli.application import application
from tunebook.evaluation.canvas import to_png

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "compare_batch.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> BatchFolder:
    return save(tmp_path_factory.mktemp("runs"), {"full": 1.0, "lora": 0.95, "ia3": 0.2})


def test_the_table_of_a_batch(folder: BatchFolder) -> None:
    batch = tb.load_batch(str(folder.path))
    assert batch.counts == {"succeeded": 12, "failed": 1, "queued": 1}
    table = batch.leaderboard()
    assert len(table) == 6
    assert table.loc[1, "strategy"] == "full"
    assert table.loc[6, "verdict"] == "worse than the best"
    assert list(batch.failures()["code"]) == ["run.notebook_failed"]
    assert list(batch.unfinished()["strategy"]) == ["late"]
    assert len(batch.runs) == 12


def test_a_batch_is_found_by_its_id_and_shows_itself(folder: BatchFolder) -> None:
    batch = tb.load_batch("tick", runs_dir=folder.runs_dir)
    assert "12 succeeded, 1 failed" in repr(batch)
    assert "Best on validation: strategy=full" in batch._repr_html_()


def test_two_settings_by_rank(folder: BatchFolder) -> None:
    batch = tb.load_batch(folder.path)
    there, back = batch.compare(6, 1).iloc[0], batch.compare(1, 6).iloc[0]
    assert there["difference"] == -back["difference"] < 0
    assert there["p"] == back["p"] < 0.01
    table = batch.table()
    assert there["difference"] == round(table.rows[5].test.value - table.rows[0].test.value, 4)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda batch: batch.compare(1, 99), "leaderboard.rank"),
        (lambda batch: batch.compare(2, 2), "leaderboard.not_comparable"),
        (lambda batch: batch.leaderboard("macrof1"), "leaderboard.score"),
        (lambda batch: batch.leaderboard(by="tests"), "leaderboard.by"),
        (lambda batch: batch.leaderboard(case="letters"), "leaderboard.which"),
        (lambda batch: batch.figure("paretto"), "batch.figure"),
    ],
)
def test_what_cannot_be_asked(folder: BatchFolder, call: Any, code: str) -> None:
    with pytest.raises(tb.TunebookError) as caught:
        call(tb.load_batch(folder.path))
    assert [problem.code for problem in caught.value.problems] == [code]


def test_a_batch_without_a_finished_run(tmp_path: Path) -> None:
    batch = tb.load_batch(save(tmp_path, {}).path)
    with pytest.raises(tb.TunebookError, match=r"leaderboard\.empty"):
        batch.leaderboard()
    assert batch._repr_html_()


def test_every_picture_is_drawn_where_there_is_something_to_draw(folder: BatchFolder) -> None:
    batch = tb.load_batch(folder.path)
    drawn = [name for name in PICTURES if to_png(batch.figure(name)).startswith(b"\x89PNG")]
    assert drawn == ["pareto", "heat_map", "lines", "seeds"]


def test_pictures_of_one_setting_are_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "batches" / "one"
    folder.mkdir(parents=True)
    made = add_run(folder, {"strategy": "full"})
    only = Entry(entry_key("tickets", made.parameters), "tickets", made.parameters)
    BatchFolder(folder).write_plan(BatchPlanFile("one", {}, (only,)))
    log = BatchLog(BatchFolder(folder))
    log.append(Change(only.key, "running", made.run))
    log.append(Change(only.key, "succeeded"))
    batch = tb.load_batch(folder)
    assert len(batch.leaderboard()) == 1
    assert all(isinstance(batch.figure(name), Markdown) for name in PICTURES)


def test_nothing_on_the_front_is_beaten(folder: BatchFolder) -> None:
    front = tb.load_batch(folder.path).front()
    assert 1 in front.index
    assert pd.Series(front["seconds"]).is_monotonic_increasing
    assert pd.Series(front["validation"]).is_monotonic_increasing


def command(folder: BatchFolder, *arguments: str) -> Result:
    line = ["leaderboard", "last", "--runs-dir", str(folder.runs_dir), *arguments]
    return CliRunner().invoke(application, line)


def test_the_command_prints_and_writes(folder: BatchFolder) -> None:
    page = folder.path / "leaderboard.html"
    page.unlink(missing_ok=True)
    shown = command(folder)
    assert shown.exit_code == 0
    assert "Best on validation: strategy=full" in shown.stdout
    assert "not told apart from the best" in shown.stdout
    assert page.exists()


def test_the_command_only_prints_another_order(folder: BatchFolder) -> None:
    page = folder.path / "leaderboard.html"
    page.unlink(missing_ok=True)
    shown = command(folder, "--by", "test", "--score", "accuracy", "--json")
    content = json.loads(shown.stdout)
    (table,) = content["tables"]
    assert (table["by"], table["score"], len(table["rows"])) == ("test", "accuracy", 6)
    assert not page.exists()
    wrong = command(folder, "--score", "acc", "--json")
    assert wrong.exit_code == 2
    assert json.loads(wrong.stdout)["error"]["problems"][0]["code"] == "leaderboard.score"


@pytest.mark.slow
def test_the_notebook_reads_a_batch(folder: BatchFolder, tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    line = [sys.executable, "-m", "papermill", str(NOTEBOOK), str(out), "-k", "python3"]
    done = subprocess.run(
        [*line, "-p", "batch", str(folder.path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    code = [c for c in nbformat.read(out, as_version=4).cells if c.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert len(code) == 16  # with the injected parameters
    assert len([o for o in outputs if "image/png" in o.get("data", {})]) == 4
