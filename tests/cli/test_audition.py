"""`tunebook audition`: how a budget is written, what a dry run shows, and wrong calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import tiny
import tunebook as tb
from example_audition import save_audition
from tunebook.cli.audition import Duration, standings


@pytest.fixture
def case(tiny_bert: Path) -> str:
    Path("tiny.json").write_text(json.dumps(tiny.case_content(tiny_bert)))
    return "tiny.json"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("1.5h", 5400), ("2m 5s", 125)],
)
def test_times_as_people_write_them(written: str, seconds: float) -> None:
    assert Duration().convert(written, None, None) == seconds


@pytest.mark.parametrize(
    "written", ["", "m", "-3", "nan", "3 days", "1h-2m", "1e3s", "1h30", "5 5"]
)
def test_what_is_no_time(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        Duration().convert(written, None, None)


def test_a_dry_run_shows_the_candidates_and_writes_nothing(
    invoke: Callable[..., Any], case: str
) -> None:
    result = invoke("audition", case, "--first-rows", 8, "--budget", "10m", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["budget_seconds"] == 600
    assert content["rung"]["rows"] == 8
    assert content["all_rows"] == 126
    assert len(content["candidates"]) + len(content["left_out"]) >= 14
    assert content["candidates"]["lora"] == {"strategy": "lora"}
    assert not Path("runs").exists()


def test_candidates_are_any_grid(invoke: Callable[..., Any], case: str) -> None:
    grid = ["--grid", "strategy=full,lora", "training.learning_rate=1e-4,1e-3"]
    result = invoke("audition", case, *grid, "-p", "training.epochs=1", "--dry-run", "--json")
    content = json.loads(result.stdout)
    assert len(content["candidates"]) == 4
    assert {"strategy": "lora", "training.learning_rate": 0.001} in [
        *content["candidates"].values()
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        (["--grid", "strategy=full"], "audition.candidates", "candidates"),
        (["--grid", "strategy=full,lore"], "config.unknown_kind", "strategy"),
        (["--grid", "strategy=full,lora", "seed=1,2"], "audition.own", "candidates.0.seed"),
        (["--budget", "0"], "config.invalid", "budget"),
        (["--budget", "soon"], "usage.invalid", "tunebook audition"),
        (["--seeds", "0"], "config.invalid", "seeds"),
        (["-p", "trainin.epochs=3"], "config.unknown_key", "trainin"),
        (["--executor", "nobody"], "config.unknown_kind", "executor"),
    ],
)
def test_a_wrong_call_says_where_and_leaves_nothing(
    invoke: Callable[..., Any], case: str, arguments: list[str], code: str, where: str
) -> None:
    result = invoke("audition", case, *arguments, "--json")
    assert result.exit_code == 2
    problems = json.loads(result.stdout)["error"]["problems"]
    assert [(each["code"], each["where"]) for each in problems] == [(code, where)]
    assert problems[0]["fix"]
    assert not Path("runs").exists()


def test_a_plan_is_no_case(invoke: Callable[..., Any], case: str) -> None:
    Path("plan.json").write_text(json.dumps({"cases": [case], "grid": {"seed": [1, 2]}}))
    result = invoke("audition", "plan.json", "--json")
    assert json.loads(result.stdout)["error"]["problems"][0]["code"] == "audition.case"


def test_candidates_by_rungs_in_a_terminal(tmp_path: Path) -> None:
    folder = save_audition(tmp_path, {256: {"full": 2.0, "ia3": 0.3}, 1000: {"full": 2.0}})
    head, best, left = standings(tb.load_audition(folder.path)).splitlines()
    assert head.split() == ["candidate", "256", "rows", "1,000", "rows", "outcome"]
    assert best.startswith("full")
    assert best.endswith("best")
    assert left.startswith("ia3")
    assert left.endswith("left")


def test_options_for_a_batch_mean_nothing_for_an_audition(
    invoke: Callable[..., Any], tmp_path: Path
) -> None:
    folder = save_audition(tmp_path / "runs", {256: {"full": 2.0, "ia3": 0.3}})
    result = invoke("resume", folder.batch_id, "--retry-failed", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["problems"][0]["code"] == "usage.option"
