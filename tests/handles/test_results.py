"""The best runs stand only beside those that were scored on the same test rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from example_batch import add_run, regression
from tunebook.errors import ConfigError
from tunebook.handles import results
from tunebook.host import PluginHost

HOST = PluginHost()


def test_runs_are_ranked_by_validation_and_told_with_intervals(tmp_path: Path) -> None:
    for name, score in (("lora", 0.6), ("full", 0.8), ("ia3", 0.7)):
        add_run(tmp_path, {"strategy": name}, validation=score)
    (group,) = results(tmp_path, HOST)["groups"]
    assert [row["strategy"] for row in group["rows"]] == ["full", "ia3", "lora"]
    assert [row["rank"] for row in group["rows"]] == [1, 2, 3]
    assert (group["case"], group["score"], group["runs"]) == ("tickets", "macro_f1", 3)
    assert all(r["test"]["low"] <= r["test"]["value"] <= r["test"]["high"] for r in group["rows"])
    (best,) = results(tmp_path, HOST, top=1)["groups"]
    assert (len(best["rows"]), best["runs"]) == (1, 3)


def test_by_test_the_order_is_that_of_the_test_rows(tmp_path: Path) -> None:
    for skill in (0.1, 1.0, 2.0):
        add_run(tmp_path, {"strategy": "full", "skill": skill}, skill=skill, validation=1 - skill)
    for by, reverse in (("validation", False), ("test", True)):
        (group,) = results(tmp_path, HOST, by=by)["groups"]  # type: ignore[arg-type]
        values = [row["test"]["value"] for row in group["rows"]]
        assert values == sorted(values, reverse=reverse)


def test_other_test_rows_tasks_and_cases_are_tables_of_their_own(tmp_path: Path) -> None:
    add_run(tmp_path, {"strategy": "full"})
    add_run(tmp_path, {"strategy": "lora"}, test=1)
    add_run(tmp_path, {"strategy": "ia3"}, case="letters")
    add_run(tmp_path, {"strategy": "bitfit"}, tasks=("a", "b"))
    groups = results(tmp_path, HOST)["groups"]
    assert len(groups) == 5
    assert len({(g["case"], g["task"], g["test"]) for g in groups}) == 5
    assert {g["task"] for g in groups} == {None, "a", "b"}
    (letters,) = results(tmp_path, HOST, case="letters")["groups"]
    assert letters["rows"][0]["strategy"] == "ia3"


def test_where_lower_is_better_the_lowest_is_first(tmp_path: Path) -> None:
    for error in (0.3, 0.1, 0.2):
        parameters = {"strategy": "full", "error": error}
        add_run(tmp_path, parameters, make_report=regression, validation=error)
    (group,) = results(tmp_path, HOST)["groups"]
    assert group["lower_is_better"]
    assert [row["validation"] for row in group["rows"]] == [0.1, 0.2, 0.3]


def test_what_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    add_run(tmp_path, {"strategy": "full"})
    gone, broken, failed = (
        add_run(tmp_path, {"strategy": name}).run for name in ("lora", "ia3", "bitfit")
    )
    assert gone
    assert broken
    assert failed
    gone.predictions.unlink()
    broken.predictions.write_text("no parquet")
    failed.write_record(failed.read_record().updated(status="failed"))
    found = results(tmp_path, HOST)
    assert [group["runs"] for group in found["groups"]] == [1]
    assert {each["run_id"] for each in found["skipped"]} == {gone.run_id, broken.run_id}
    assert all(each["reason"] for each in found["skipped"])
    assert json.loads(json.dumps(found)) == found


def test_a_case_without_runs(tmp_path: Path) -> None:
    assert results(tmp_path, HOST)["groups"] == []
    with pytest.raises(ConfigError) as caught:
        results(tmp_path, HOST, case="ticket")
    assert "there are no runs" in caught.value.problems[0].fix
    add_run(tmp_path, {"strategy": "full"})
    with pytest.raises(ConfigError) as caught:
        results(tmp_path, HOST, case="ticket")
    assert caught.value.problems[0].fix == "did you mean `tickets`?"
