"""The commands about batches, without a kernel: what is shown, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tiny
from tunebook.batch.estimate import estimate_time
from tunebook.batch.opening import prepare_batch, write_batch
from tunebook.batch.plan import make_batch_plan
from tunebook.cli.application import application
from tunebook.cli.batch_arguments import SEPARATOR, gather
from tunebook.host import PluginHost
from tunebook.records import RunDirectory, RunRecord

FIXTURES = Path(__file__).parents[1] / "notebooks" / "fixtures"
HOST = PluginHost()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def case(tmp_path: Path) -> str:
    notebook = str(FIXTURES / "succeeds.ipynb")
    content = tiny.case_content(tmp_path / "no model", name="tiny", notebook=notebook)
    (tmp_path / "tiny.json").write_text(json.dumps(content))
    return "tiny.json"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(application, [*arguments])


def problems(result: Result, exit_code: int = 2) -> list[dict[str, str]]:
    assert result.exit_code == exit_code, result.output
    assert not Path("runs").exists()
    return json.loads(result.stdout)["error"]["problems"]


def test_options_take_all_the_values_behind_them() -> None:
    words = [
        "c.yaml",
        "--grid",
        "a=1",
        "b=2",
        "--zip=c=1,2",
        "d=3,4",
        "--where",
        "a<2",
        "-p",
        "x=1",
    ]
    assert gather(words) == [
        "c.yaml",
        "--grid",
        f"a=1{SEPARATOR}b=2",
        "--zip",
        f"c=1,2{SEPARATOR}d=3,4",
        "--where",
        "a<2",
        "-p",
        "x=1",
    ]
    assert gather(["--grid"]) == ["--grid"]
    assert gather(["--", "--grid", "a=1"]) == ["--", "--grid", "a=1"]


def test_a_dry_run_writes_nothing_and_is_honest_about_time(case: str) -> None:
    words = ["--grid", "strategy=full,bitfit", "seed=1..3", "--where", "seed<3", "--dry-run"]
    result = invoke("batch", case, *words, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert [run["parameters"] for run in content["runs"]] == [
        {"strategy": kind, "seed": seed} for kind in ("full", "bitfit") for seed in (1, 2)
    ]
    assert content["estimate"]["unknown"] == 4
    assert "no earlier runs" in invoke("batch", case, *words).stdout
    assert not Path("runs").exists()


def test_a_batch_that_is_resumed_can_be_tried(case: str) -> None:
    plan = make_batch_plan(HOST, {"case": case, "grid": {"seed": [1, 2]}})
    prepared = prepare_batch(HOST, plan, Path("runs"))
    write_batch(prepared)
    name = prepared.folder.batch_id
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    result = invoke("resume", name, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert [run["parameters"]["seed"] for run in content["runs"]] == [1, 2]
    assert not content["new"]
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before
    refused = invoke("resume", name, "--detach", "--json")
    assert refused.exit_code == 2


def test_the_time_is_that_of_earlier_runs(case: str, tmp_path: Path) -> None:
    plan = make_batch_plan(HOST, {"case": case, "grid": {"strategy": ["full", "bitfit"]}})
    prepared = prepare_batch(HOST, plan, tmp_path / "runs")
    for number, seconds in enumerate([10, 20, 90]):
        run = RunDirectory.create(tmp_path / "runs", "tiny", f"r{number}")
        record = RunRecord(run_id=run.run_id, case="tiny", strategy="full", seed=0, started=0.0)
        run.write_record(record.updated(status="succeeded", finished=float(seconds)))
        run.write_case({"name": "tiny"})
    estimate = estimate_time(tmp_path / "runs", prepared.validated, prepared.file.entries, 2)
    assert (estimate.seconds, estimate.records) == (20, 3)
    assert (estimate.exact, estimate.similar, estimate.unknown) == (0, 1, 1)
    assert estimate.wall_seconds == 10
    assert "from 3 records" in str(estimate)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--grid", "stratgy=lora"], "config.unknown_key"),
        (["--grid", "strategy=lora,fulll"], "config.unknown_kind"),
        (["--grid", "seed=-1..1"], "config.invalid"),
        (["--grid", "seed=5..1..1"], "plan.range"),
        (["--grid", "seed="], "plan.no_values"),
        (["--grid", "seed=1", "-E", "wokers=2"], "config.unknown_key"),
        (["--grid", "seed=1", "-E", "workers=0"], "config.invalid"),
        (["--grid", "seed=1", "--where", "seed>5"], "plan.empty"),
        (["--grid", "seed=1", "--extend", "none"], "batch.unknown"),
        ([], "plan.empty"),
    ],
)
def test_a_mistake_leaves_nothing_behind(case: str, words: list[str], code: str) -> None:
    result = invoke("batch", case, *words, "--json")
    assert len(result.stdout.splitlines()) == 1  # as in JSON lines
    assert code in [problem["code"] for problem in problems(result)]


def test_an_executor_that_is_not_there(case: str) -> None:
    found = problems(invoke("batch", case, "--grid", "seed=1", "--executor", "locl", "--json"))
    assert [problem["where"].partition(".")[0] for problem in found] == ["executor"]
    assert "local" in found[0]["fix"]


def test_all_problems_of_all_entries_are_told_at_once(case: str) -> None:
    words = ["--grid", "strategy=lorra,full,bitfitt", "training.epochs=1,x", "seed=1..50"]
    found = [
        p["code"] + " " + p["found"] for p in problems(invoke("batch", case, *words, "--json"))
    ]
    assert len(found) == 3
    assert "`lorra` in strategy=lorra" in found[0]
    assert all("in strategy=" in text for text in found)


def test_a_notebook_without_a_parameters_cell(case: str, tmp_path: Path) -> None:
    notebook = tmp_path / "bare.ipynb"
    notebook.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4}))
    content = json.loads(Path(case).read_text()) | {"notebook": str(notebook)}
    Path(case).write_text(json.dumps(content))
    found = problems(invoke("batch", case, "--grid", "seed=1..100", "--json"))
    assert [problem["code"] for problem in found] == ["notebook.parameters_cell"]


def test_a_case_that_is_not_there_beside_one_that_is(case: str) -> None:
    found = problems(
        invoke("batch", case, "tinny.json", "medical_codin", "--repeats", "2", "--json")
    )
    assert {problem["code"] for problem in found} == {"case.unreadable", "case.unknown"}


def test_a_plan_file_with_options_of_a_grid(case: str) -> None:
    Path("plan.yaml").write_text(f"case: {case}\ngrid: {{seed: 1..2}}\n")
    found = problems(invoke("batch", "plan.yaml", "--grid", "seed=1", "--json"))
    assert [problem["code"] for problem in found] == ["plan.twice"]


def write(case: str, runs_dir: Path, **content: Any) -> Any:
    prepared = prepare_batch(HOST, make_batch_plan(HOST, {"case": case, **content}), runs_dir)
    write_batch(prepared)
    return prepared


def test_more_runs_add_to_the_batch_and_others_make_a_new_one(case: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = write(case, runs, grid={"seed": "1..3"})
    again = write(case, runs, grid={"seed": [3, 2, 1]})
    assert (again.folder, again.added, again.existed) == (first.folder, 0, True)
    more = write(case, runs, grid={"seed": "1..5"})
    assert (more.folder, more.added) == (first.folder, 2)
    assert len(first.folder.read_plan().entries) == 5
    other = write(case, runs, grid={"seed": "2..3"})
    assert other.folder != first.folder
    refused = invoke(
        "batch", case, "--grid", "seed=4..9", "--extend", first.folder.batch_id, "--json"
    )
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"]["problems"][0]["code"] == "batch.other_plan"


def test_two_ways_to_say_one_run_are_merged_with_a_word(case: str, tmp_path: Path) -> None:
    grid = {"strategy": ["full", {"kind": "full"}], "seed": [1, 1]}
    plan = make_batch_plan(HOST, {"case": case, "grid": grid})
    prepared = prepare_batch(HOST, plan, tmp_path / "runs")
    assert len(prepared.file.entries) == 1
    assert len(prepared.notes) == 2


def test_a_batch_of_a_newer_version_is_refused_and_listed(case: str, tmp_path: Path) -> None:
    folder = write(case, tmp_path / "runs", grid={"seed": "1..2"}).folder
    content = json.loads(folder.plan_file.read_text())
    folder.plan_file.write_text(json.dumps(content | {"schema_version": 99}))
    result = invoke("resume", folder.batch_id, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["problems"][0]["code"] == "batch.newer"
    assert "batch.newer" in invoke("batches").stdout


def test_batches_are_listed_and_shown(case: str, tmp_path: Path) -> None:
    assert json.loads(invoke("batches", "--json").stdout)["batches"] == []
    folder = write(case, tmp_path / "runs", grid={"seed": "1..2"}).folder
    listed = json.loads(invoke("batches", "--json").stdout)["batches"]
    assert [each["batch"] for each in listed] == [folder.batch_id]
    shown = json.loads(invoke("batches", "last", "--json").stdout)
    assert shown["counts"] == {"queued": 2}
    assert shown["driven"] is False
    assert "seed=2" in invoke("batches", folder.batch_id).stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["describe", "plan"], "repeats"),
        (["describe", "executor:local"], "memory_gb"),
        (["schema", "plan"], "LocalConfig"),
        (["schema", "executor", "local"], "workers"),
        (["plugins"], "as many runs at once"),
    ],
)
def test_plans_and_executors_are_described(words: list[str], text: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert text in result.stdout
