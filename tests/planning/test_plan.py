"""A run is told before it is started, and only what was told is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tiny
from tunebook.cli.application import application
from tunebook.errors import ConfigError
from tunebook.planning import Identity, check_planned

NOW = Identity(
    {"seed": 0, "strategy": {"kind": "lora"}}, {"": "rows"}, "notebook", {"tunebook": "c"}
)


def codes(planned: Identity, now: Identity) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        check_planned(now, planned.hash)
    return [(problem.code, problem.where) for problem in caught.value.problems]


def test_what_was_planned_may_run() -> None:
    check_planned(NOW, NOW.hash)
    check_planned(NOW, f" {NOW.hash}\n")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"case": {"seed": 1, "strategy": {"kind": "lora"}}}, ["seed"]),
        ({"case": {"seed": 1, "strategy": {"kind": "ia3"}}}, ["seed", "strategy"]),
        ({"data": {"": "other rows"}}, ["data"]),
        ({"notebook": ""}, ["notebook"]),
        ({"code": {"tunebook": "d"}}, ["code"]),
        ({"version": "9.9.9"}, ["tunebook"]),
        ({"case": {"seed": 1, "strategy": {"kind": "lora"}}, "data": {"": "x"}}, ["seed", "data"]),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], where: list[str]) -> None:
    from dataclasses import replace

    assert codes(NOW, replace(NOW, **changes)) == [("plan.changed", each) for each in where]


@pytest.mark.parametrize("text", ["", "x", "0.1.0", NOW.hash[:-6], "zz." + NOW.hash[3:], "." * 9])
def test_what_is_no_hash(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_planned(NOW, text)
    assert caught.value.problems[0].code == "plan.no_hash"


# ---- the commands ----


@pytest.fixture
def case(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)

    def write(**changes: Any) -> str:
        Path("tiny.json").write_text(json.dumps(tiny.case_content(tiny_bert, **changes)))
        return "tiny.json"

    return write


def call(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(application, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_plan_tells_data_steps_and_legality(case: Callable[..., str]) -> None:
    code, told = call("plan", case(), "-p", "seed=3")
    assert code == 0, told
    data = told["data"][""]
    assert data["rows"] == sum(data["splits"].values())
    assert data["classes"] == 3
    assert data["words"]["max"] > 0
    assert told["legality"] == {
        "legal": True,
        "strategy": "full",
        "family": "encoder",
        "architecture": "bert",
        "tasks": {"": {"task": "text_classification", "head": "linear"}},
    }
    stages = [step["stage"] for step in told["steps"]]
    assert stages == ["data", "model", "strategy", "training", "evaluation", "saving", "report"]
    training = told["steps"][3]
    assert training["steps"] == 6 * -(-data["splits"]["train"] // 16)
    assert told["prediction"]["sentence"] == "nothing measured yet"
    assert told["case"]["seed"] == 3
    assert told["next"] == [f"tunebook run tiny.json -p seed=3 --plan {told['hash']}"]
    assert not Path("runs").exists()
    text = CliRunner().invoke(application, ["plan", case()]).stdout
    for part in ("hash", "nothing measured yet", "legal for text_classification", "fingerprint"):
        assert part in text


def test_a_run_refuses_what_was_not_planned_and_says_what_differs(case: Callable[..., str]) -> None:
    hash_ = call("plan", case())[1]["hash"]
    assert hash_ == call("plan", case())[1]["hash"]
    assert call("run", case(), "--plan", hash_, "--dry-run")[0] == 0
    code, told = call("run", case(), "-p", "training.epochs=2", "--plan", hash_)
    problems = told["error"]["problems"]
    assert (code, [p["where"] for p in problems]) == (2, ["training"])
    changed = case(data={"kind": "memory", "rows": tiny.rows()[:-3]})
    code, told = call("run", changed, "--plan", hash_, "--detach")
    # the rows are settings too where a case holds them itself
    assert {p["where"] for p in told["error"]["problems"]} == {"data"}
    assert code == 2
    assert not Path("runs").exists()


def test_rows_that_change_behind_the_same_settings_are_noticed(case: Callable[..., str]) -> None:
    rows = tiny.rows()
    given = case(data={"kind": "jsonl", "path": "rows.jsonl"})
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, told = call("plan", given)
    assert code == 0, told
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows[:-3])))
    code, again = call("run", given, "--plan", told["hash"])
    (problem,) = again["error"]["problems"]
    assert (code, problem["code"], problem["where"]) == (2, "plan.changed", "data")


def test_what_could_not_run_has_no_plan(case: Callable[..., str]) -> None:
    code, told = call("plan", case(), "-p", "stratgy=lora")
    assert (code, told["error"]["problems"][0]["fix"]) == (2, "did you mean `strategy`?")
    code, told = call("plan", case(data={"kind": "memory", "rows": tiny.rows()[:2]}))
    assert code == 3, told
    code, told = call("plan", case(), "-p", "text.max_tokens=8000")
    assert (code, told["error"]["problems"][0]["code"]) == (2, "config.max_tokens")


@pytest.mark.slow
def test_a_prediction_is_near_what_a_run_takes(case: Callable[..., str]) -> None:
    given = case()
    for seed in range(3):
        assert call("run", given, "-p", f"seed={seed}")[0] == 0
    code, told = call("plan", given, "-p", "seed=9")
    prediction = told["prediction"]
    assert (code, prediction["basis"], prediction["records"]) == (0, "the same settings", 3)
    assert prediction["largest_error"] is not None
    assert prediction["disk_mb"] > 0
    code, ran = call("run", given, "-p", "seed=9", "--plan", told["hash"])
    assert code == 0
    assert 0.2 < prediction["seconds"] / ran["seconds"] < 5
