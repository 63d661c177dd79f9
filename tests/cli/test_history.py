"""What was run: runs and show, with whole and with damaged records."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tunebook.cli.application import Settings
from tunebook.cli.history import next_commands
from tunebook.errors import ExitCode
from tunebook.records import RunDirectory

Invoke = Callable[..., Any]


def test_no_runs_yet(invoke: Invoke) -> None:
    result = invoke("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "there are no runs in runs" in result.stderr


def test_runs_is_a_table_with_the_result(invoke: Invoke, finished_run: RunDirectory) -> None:
    header, row = invoke("runs").stdout.splitlines()
    assert header.startswith("run ")
    assert row.startswith(finished_run.run_id)
    assert "1 min 15 s" in row
    assert "macro_f1 0.700 [0.650, 0.750] on 3,606 rows; +0.100 [+0.040, +0.160]" in row


def test_runs_as_data(invoke: Invoke, finished_run: RunDirectory) -> None:
    (run,) = json.loads(invoke("runs", "--json").stdout)["runs"]
    assert (run["run_id"], run["status"]) == (finished_run.run_id, "succeeded")
    assert run["headline"] == {"score": "macro_f1", "value": 0.7, "low": 0.65, "high": 0.75}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 99}', "\x00"])
def test_a_damaged_record_is_shown_beside_the_others(
    invoke: Invoke, finished_run: RunDirectory, content: str
) -> None:
    damaged = RunDirectory.create(finished_run.path.parents[1], "other", "full")
    damaged.record_file.write_text(content)
    rows = invoke("runs").stdout.splitlines()
    assert len(rows) == 3
    assert any(row.startswith(damaged.run_id) and " damaged " in row for row in rows)
    by_id = {run["run_id"]: run for run in json.loads(invoke("runs", "--json").stdout)["runs"]}
    assert by_id[damaged.run_id]["status"] == "damaged"
    assert by_id[damaged.run_id]["error"]["problems"]
    assert by_id[finished_run.run_id]["status"] == "succeeded"
    assert invoke("show", damaged.run_id).exit_code == ExitCode.CONFIG


def test_show_tells_result_baselines_settings_and_files(
    invoke: Invoke, finished_run: RunDirectory
) -> None:
    text = invoke("show", finished_run.run_id).stdout
    assert "0.700 [0.650, 0.750]" in text
    assert "TF-IDF    0.600 [0.550, 0.650]" in text
    assert "95% intervals over 120 groups" in text
    assert "macro_f1 over tfidf  0.100 [0.040, 0.160]" in text
    assert "10.00% of the parameters" in text
    assert "strategy  full" in text
    assert "an observer failed" in text
    assert "report.html" in text
    assert "predictions.parquet" not in text  # it isn't there


def test_show_as_data(invoke: Invoke, finished_run: RunDirectory) -> None:
    content = json.loads(invoke("show", "last", "--json").stdout)
    assert content["record"]["run_id"] == finished_run.run_id
    assert content["case"]["name"] == "tiny"
    assert set(content["files"]) == {"report"}


def test_show_a_failed_run(invoke: Invoke, finished_run: RunDirectory) -> None:
    problem = {"code": "data.empty", "where": "x", "expected": "rows", "found": "0", "fix": "add"}
    error = {"type": "DataError", "exit_code": 3, "problems": [problem]}
    record = finished_run.read_record().updated(status="failed", report=None, error=error)
    finished_run.write_record(record)
    result = invoke("show", finished_run.run_id)
    assert result.exit_code == 0
    assert "data.empty" in result.stdout


@pytest.mark.parametrize("name", ["beginning", "folder", "last"])
def test_a_run_can_be_named(invoke: Invoke, finished_run: RunDirectory, name: str) -> None:
    names = {"beginning": finished_run.run_id[:10], "folder": str(finished_run.path)}
    result = invoke("show", names.get(name, name), "--json")
    assert json.loads(result.stdout)["record"]["run_id"] == finished_run.run_id


def test_a_wrong_id_is_an_error_with_a_near_one(invoke: Invoke, finished_run: RunDirectory) -> None:
    wrong = finished_run.run_id[:-2] + "zz"
    result = invoke("show", wrong)
    assert result.exit_code == ExitCode.CONFIG
    assert f"did you mean `{finished_run.run_id}`?" in result.stderr


def test_an_ambiguous_id_lists_what_it_may_mean(invoke: Invoke, finished_run: RunDirectory) -> None:
    other = RunDirectory.create(finished_run.path.parents[1], "tiny", "lora")
    other.write_record(finished_run.read_record())
    result = invoke("show", "2")
    assert "run.ambiguous" in result.stderr
    assert finished_run.run_id in result.stderr
    assert other.run_id in result.stderr


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_id_means_no_run(invoke: Invoke, finished_run: RunDirectory, name: str) -> None:
    result = invoke("show", name)
    assert result.exit_code == ExitCode.CONFIG
    assert "run.unknown" in result.stderr


@pytest.mark.parametrize(
    "case", [{"task": {"pair": "b"}}, {"task": {}, "tasks": {"one": {"task": {"pair": "b"}}}}]
)
def test_the_next_command_of_a_model_of_pairs_has_a_second_text(
    finished_run: RunDirectory, case: dict[str, Any]
) -> None:
    finished_run.model.mkdir(exist_ok=True)
    settings = Settings()
    assert "--pair" not in next_commands(settings, finished_run)[1]
    finished_run.write_case(case)
    assert '"text" --pair "second text"' in next_commands(settings, finished_run)[1]
