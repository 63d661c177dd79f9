"""What a leaderboard says of a batch, whatever state its runs and files are in."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import example_batch
from example_batch import add_run, entry, regression
from tunebook.batch.board import collect
from tunebook.batch.entry import Entry
from tunebook.batch.kept import FOLDER
from tunebook.batch.leaderboard import write_leaderboard
from tunebook.batch.sentences import notes
from tunebook.errors import ConfigError
from tunebook.records import RunDirectory

FILES = ("leaderboard.csv", "leaderboard.html", "leaderboard.json")


def written(folder: Path, entries: list[Entry]) -> dict[str, Any]:
    """Writes a leaderboard and returns its JSON, read as strictly as others would."""
    write_leaderboard(folder, entries)
    assert sorted(p.name for p in folder.glob("leaderboard.*")) == [*FILES]
    text = (folder / "leaderboard.json").read_text()
    content: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return content


def page(folder: Path) -> str:
    return (folder / "leaderboard.html").read_text()


def grid(folder: Path) -> list[Entry]:
    """Two equally good strategies and a bad one, three seeds each."""
    return [
        add_run(folder, {"strategy": name, "seed": seed}, skill=skill, validation=score + seed / 99)
        for name, skill, score in (("lora", 1.0, 0.80), ("full", 1.0, 0.81), ("ia3", 0.2, 0.4))
        for seed in range(3)
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry]]:
    """The grid with its leaderboard, so that what is worked out once is there for all tests."""
    folder = tmp_path_factory.mktemp("batch")
    entries = grid(folder)
    write_leaderboard(folder, entries)
    return folder, entries


@pytest.fixture
def entries(finished: tuple[Path, list[Entry]], tmp_path: Path) -> list[Entry]:
    """A copy of the grid, in the test's own folder."""
    folder, made = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return [
        replace(each, run=RunDirectory(tmp_path / each.run.path.relative_to(folder)))
        for each in made
        if each.run
    ]


def test_settings_are_ranked_by_validation_and_compared_with_the_best(
    tmp_path: Path, entries: list[Entry]
) -> None:
    (table,) = written(tmp_path, entries)["tables"]
    rows = table["rows"]
    assert (table["by"], table["score"], table["lower_is_better"]) == (
        "validation",
        "macro_f1",
        False,
    )
    assert [row["parameters"]["strategy"] for row in rows] == ["full", "lora", "ia3"]
    assert [row["verdict"] for row in rows] == [
        "best on validation",
        "not told apart from the best",
        "worse than the best",
    ]
    assert [len(row["runs"]) for row in rows] == [3, 3, 3]
    for row in rows[1:]:
        assert row["difference_to_best"]["value"] == pytest.approx(
            row["test"]["value"] - rows[0]["test"]["value"]
        )
        assert row["p"] <= row["p_corrected"] <= 1
    assert (table["unit"], table["units"], table["tests"]) == ("group", 40, 2)


def test_a_test_score_of_a_setting_is_the_mean_of_its_runs(
    tmp_path: Path, entries: list[Entry]
) -> None:
    for row in written(tmp_path, entries)["tables"][0]["rows"]:
        values = [run["test"]["value"] for run in row["runs"]]
        assert row["test"]["value"] == pytest.approx(sum(values) / 3)
        mean = sum(values) / 3
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
        assert row["deviation_over_seeds"] == pytest.approx(spread)


def test_scores_of_runs_are_those_of_their_reports(tmp_path: Path, entries: list[Entry]) -> None:
    reports = {e.run.run_id: e.run.read_record().report for e in entries if e.run}
    found = [
        (run["test"]["value"], reports[run["run"]])
        for row in written(tmp_path, entries)["tables"][0]["rows"]
        for run in row["runs"]
    ]
    assert len(found) == 9
    for value, report in found:
        assert report is not None
        assert value == pytest.approx(report.scores["macro_f1"].value)


def test_the_order_by_test_says_that_it_is_biased(tmp_path: Path, entries: list[Entry]) -> None:
    (table,) = collect(tmp_path, entries, by="test").tables
    values = [row.test.value for row in table.rows]
    assert values == sorted(values, reverse=True)
    assert "luckiest" in " ".join(notes(table))
    (by_validation,) = collect(tmp_path, entries).tables
    assert "luckiest" not in " ".join(notes(by_validation))


def test_errors_are_better_the_lower_they_are(tmp_path: Path) -> None:
    entries = [
        add_run(tmp_path, {"strategy": n}, skill=s, validation=1 / s, make_report=regression)
        for n, s in (("full", 4.0), ("lora", 0.25))
    ]
    (table,) = collect(tmp_path, entries).tables
    assert (table.score, table.lower_is_better) == ("mae", True)
    assert [row.setting["strategy"] for row in table.rows] == ["full", "lora"]
    assert table.rows[1].verdict == "worse than the best"


def test_runs_on_other_test_rows_are_not_compared(tmp_path: Path, entries: list[Entry]) -> None:
    entries = [*entries, add_run(tmp_path, {"strategy": "other"}, test=1, validation=0.99)]
    (table,) = written(tmp_path, entries)["tables"]
    assert [row["parameters"]["strategy"] for row in table["rows"]] == ["full", "lora", "ia3"]
    assert [each["key"] for each in table["unranked"]] == [entries[-1].key]
    assert "other texts or classes" in table["unranked"][0]["reason"]


def test_seeds_with_test_rows_of_their_own_are_paired_by_seed(tmp_path: Path) -> None:
    """As under `limits`, which draw the test rows of each seed."""
    entries = [
        add_run(tmp_path, {"strategy": n, "seed": s}, skill=k, test=s, validation=k)
        for n, k in (("full", 1.0), ("ia3", 0.2))
        for s in (0, 1)
    ]
    (table,) = collect(tmp_path, entries[:3]).tables
    assert table.test_sets == 2
    full, ia3 = table.rows
    apart = ia3.difference
    assert apart is not None
    on_first = [run.scored.value for row in (ia3, full) for run in row.runs if not run.scored.seed]
    assert apart.value == pytest.approx(on_first[0] - on_first[1])
    assert (len(ia3.runs), ia3.planned) == (1, 1)
    (whole,) = collect(tmp_path, entries).tables
    assert whole.rows[1].verdict == "worse than the best"


def test_cases_and_tasks_have_tables_of_their_own(tmp_path: Path) -> None:
    entries = [
        *(add_run(tmp_path, {"seed": s}, tasks=("chapter", "block")) for s in (0, 1)),
        *(add_run(tmp_path, {"strategy": n}, case="letters") for n in ("full", "lora")),
    ]
    tables = written(tmp_path, entries)["tables"]
    assert [(t["case"], t["task"], len(t["rows"])) for t in tables] == [
        ("tickets", "chapter", 1),
        ("tickets", "block", 1),
        ("letters", "", 2),
    ]
    assert all(row["validation"] is not None for t in tables for row in t["rows"])


def test_another_score_and_one_that_nobody_has(tmp_path: Path, entries: list[Entry]) -> None:
    (table,) = collect(tmp_path, entries, score="accuracy").tables
    assert (table.score, table.rows[0].validation) == ("accuracy", pytest.approx(0.4))
    with pytest.raises(ConfigError) as caught:
        collect(tmp_path, entries, score="acuracy")
    assert "did you mean `accuracy`" in caught.value.problems[0].fix


@pytest.mark.parametrize("count", [0, 1])
def test_few_runs(tmp_path: Path, count: int) -> None:
    entries = [add_run(tmp_path, {"seed": s}) for s in range(count)]
    content = written(tmp_path, [*entries, entry({"seed": 9})])
    assert [len(t["rows"]) for t in content["tables"]] == [1] * count
    assert content["unfinished"][0]["parameters"] == {"seed": 9}
    assert ("nothing to rank" in page(tmp_path)) == (count == 0)


def test_an_empty_batch(tmp_path: Path) -> None:
    assert written(tmp_path, [])["tables"] == []


def test_equal_runs_are_not_told_apart(tmp_path: Path) -> None:
    entries = [add_run(tmp_path, {"strategy": n}, noise=5) for n in ("a", "b", "c")]
    (table,) = collect(tmp_path, entries).tables
    assert [row.p_corrected for row in table.rows] == [None, 1.0, 1.0]
    assert [row.setting["strategy"] for row in table.rows] == ["a", "b", "c"]
    write_leaderboard(tmp_path, entries)


def _edit(run: Entry, **changes: Any) -> None:
    assert run.run is not None
    content = json.loads(run.run.record_file.read_text())
    run.run.record_file.write_text(json.dumps(content | changes))


DAMAGES = {
    "its folder is gone": lambda e: shutil.rmtree(e.run.path),
    "its predictions are gone": lambda e: e.run.predictions.unlink(),
    "cannot be scored": lambda e: e.run.predictions.write_bytes(b"PAR1 no"),
    "written by a newer tunebook": lambda e: _edit(e, schema_version=99),
    "Expecting value": lambda e: e.run.record_file.write_text(""),
    "No such file": lambda e: e.run.case_file.unlink(),
    "no result": lambda e: _edit(e, report=None),
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_run_is_told_and_the_others_are_ranked(
    tmp_path: Path, entries: list[Entry], reason: str
) -> None:
    DAMAGES[reason](entries[0])
    content = written(tmp_path, entries)
    told = [*content["unreadable"], *content["tables"][0]["unranked"]]
    assert [each["key"] for each in told] == [entries[0].key]
    assert reason in told[0]["reason"]
    assert sum(len(row["runs"]) for row in content["tables"][0]["rows"]) == 8
    assert reason in page(tmp_path)


def test_a_run_without_the_score(tmp_path: Path, entries: list[Entry]) -> None:
    report = json.loads(entries[0].run.record_file.read_text())["report"]  # type: ignore[union-attr]
    del report["scores"]["macro_f1"]
    _edit(entries[0], report=report)
    (table,) = collect(tmp_path, entries).tables
    assert [each.reason for each in table.unranked] == [
        "it has no `macro_f1`, only accuracy, weighted_f1, macro_precision, macro_recall"
    ]


def test_a_validation_score_that_is_no_number_stands_last(
    tmp_path: Path, entries: list[Entry]
) -> None:
    for each in entries[3:6]:
        _edit(each, training={"best": float("nan"), "best_step": 0})
    rows = written(tmp_path, entries)["tables"][0]["rows"]
    assert [row["parameters"]["strategy"] for row in rows] == ["lora", "ia3", "full"]
    assert rows[-1]["validation"] is None


def test_failures_are_grouped_by_cause(tmp_path: Path) -> None:
    found = "cell [4] raised ValueError: <b>no</b> such file"
    problem = {"code": "run.notebook_failed", "where": "n", "found": found, "fix": "mend it"}
    problem |= {"expected": "none"}
    failed = [entry({"seed": s}, "failed", **problem) for s in range(3)]
    lost = entry({"seed": 7}, "lost", **problem | {"code": "run.lost", "found": "no sign of life"})
    content = written(tmp_path, [lost, *failed])
    causes = [(len(f["keys"]), f["code"], f["cell"]) for f in content["failures"]]
    assert causes == [(3, "run.notebook_failed", 4), (1, "run.lost", None)]
    assert "&lt;b&gt;no" in page(tmp_path)
    assert "mend it" in page(tmp_path)


class Page(HTMLParser):
    """Collects the tags of a page, and what they point at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


EVIL = "<script>alert('x')</script> \u202e ärz&tlich 漢字 $x$ ="


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    entries = [
        add_run(tmp_path, {EVIL: EVIL * n, "strategy": "a\nb\"'"}, seconds=n) for n in (1, 9)
    ]
    written(tmp_path, [*entries, entry({EVIL: EVIL})])
    found = Page(page(tmp_path))
    assert found.all("script") == []
    assert EVIL[:20] not in page(tmp_path)
    assert len(found.all("img")) >= 1


def test_the_page_needs_nothing_else_and_says_what_its_pictures_show(
    tmp_path: Path, entries: list[Entry]
) -> None:
    write_leaderboard(tmp_path, entries)
    found = Page(page(tmp_path))
    pictures = found.all("img")
    assert len(pictures) >= 1
    assert all(str(img["src"]).startswith("data:image/png;base64,") for img in pictures)
    assert all(img["alt"] for img in pictures)
    assert not re.search(r"https?://", page(tmp_path))
    assert not {"script", "link", "iframe"} & {tag for tag, _ in found.tags}
    assert len(found.all("h1")) == 1
    assert all("scope" in header for header in found.all("th"))


def test_links_hold_when_the_batch_is_moved(tmp_path: Path) -> None:
    here = tmp_path / "a b#ü%"
    here.mkdir()
    write_leaderboard(here, grid(here)[:3])
    there = tmp_path / "there"
    here.rename(there)
    addresses = [str(a["href"]) for a in Page(page(there)).all("a")]
    assert len(addresses) == 3  # the folder of each run; made-up runs have no report
    assert all((there / address).exists() for address in addresses)


def test_the_csv_has_a_row_for_each_run_and_a_column_for_each_parameter(
    tmp_path: Path, entries: list[Entry]
) -> None:
    entries = [*entries, entry({"strategy": "full", "rank": 3, "seed": 8})]
    written(tmp_path, entries)
    with (tmp_path / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert {row["key"] for row in rows} == {each.key for each in entries}
    assert [row["strategy"] for row in rows[:3]] == ["full"] * 3
    assert (rows[-1]["state"], rows[-1]["parameters.rank"]) == ("queued", "3")


def test_what_was_worked_out_is_kept_and_may_be_lost(
    tmp_path: Path, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(tmp_path, entries)
    assert first["tables"][0]["tests"] == 2
    monkeypatch.setattr(example_batch.F1, "resample", pytest.fail)
    assert written(tmp_path, entries) == first  # nothing is scored again
    monkeypatch.undo()
    kept = [*(tmp_path / FOLDER).iterdir()]
    assert len(kept) >= 11
    for file in kept:
        file.write_bytes(b"damaged")
    assert written(tmp_path, entries) == first
    shutil.rmtree(tmp_path / FOLDER)
    assert written(tmp_path, entries) == first


def test_a_run_that_was_made_again_is_scored_again(tmp_path: Path, entries: list[Entry]) -> None:
    before = written(tmp_path, entries)
    shutil.rmtree(entries[0].run.path)  # type: ignore[union-attr]
    entries[0] = add_run(tmp_path, dict(entries[0].parameters), skill=0.1, validation=0.8)
    assert written(tmp_path, entries) != before
