"""Time, memory and disk come from earlier runs, with what is known of the error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunebook.config import TrainingConfig
from tunebook.estimates import BASES, Prediction, Wanted, Work, measured_runs, predict
from tunebook.records import Resumption, RunDirectory, RunRecord

CASE: dict[str, Any] = {
    "name": "tickets",
    "strategy": {"kind": "lora"},
    "model": {"kind": "minilm"},
    "training": {"epochs": 2, "batch_size": 10, "evaluations": 2},
}


def add(
    folder: Path, *, rows: int = 100, per_row: float = 0.1, rest: float = 10.0, **how: Any
) -> RunDirectory:
    """Leaves a run that took so many seconds a training row, scored its validation split in two
    seconds each time, and so many for the rest."""
    run = RunDirectory.create(folder, "tickets", "r")
    case = {**CASE, **how.pop("case", {})}
    epochs = case["training"]["epochs"]
    stepping = rows * epochs * per_row
    record = RunRecord(
        run_id=run.run_id, case="tickets", strategy=case["strategy"]["kind"], seed=0, started=0.0
    )
    training = {
        "steps": epochs * -(-rows // 10),
        "seconds": stepping + 4,
        "evaluation_seconds": 4.0,
    }
    filled = {
        "status": "succeeded",
        "finished": stepping + 4 + rest,
        "training": training,
        "data": {"splits": {"train": rows, "validation": 50, "test": 50}},
        "peak_memory_mb": 1000.0,
    }
    run.write_record(record.updated(**filled | how))
    run.write_case(case)
    return run


def wanted(rows: int = 100, **changes: Any) -> Wanted:
    case = CASE | changes
    config = TrainingConfig.model_validate(case["training"])
    work = Work.of(config, {"train": rows, "validation": 50})
    model = json.dumps(case["model"], sort_keys=True)
    return Wanted("new settings", case["name"], case["strategy"]["kind"], model, work)


def test_nothing_is_said_where_nothing_was_measured(tmp_path: Path) -> None:
    told = predict(measured_runs(tmp_path), wanted())
    assert told == Prediction()
    assert str(told) == told.to_dict()["sentence"] == "nothing measured yet"


def test_training_is_in_proportion_and_the_rest_is_not(tmp_path: Path) -> None:
    add(tmp_path)  # 200 examples at 0.1 s, 4 s of scoring, 10 s
    told = predict(measured_runs(tmp_path), wanted(1000))
    assert told.seconds == pytest.approx(2000 * 0.1 + 4 + 10)
    assert (told.records, told.basis) == (1, "the same case, strategy and model")
    assert (told.error, told.largest_error) == (None, None)
    assert "how far off is not known" in str(told)
    more = CASE["training"] | {"evaluations": 20}
    told = predict(measured_runs(tmp_path), wanted(1000, training=more))
    assert told.seconds == pytest.approx(2000 * 0.1 + 40 + 10)


def test_the_error_is_that_of_foretelling_each_from_the_others(tmp_path: Path) -> None:
    for rest in (10.0, 10.0, 31.0):
        add(tmp_path, rest=rest)  # 34, 34 and 55 seconds
    told = predict(measured_runs(tmp_path), wanted())
    assert (told.seconds, told.low, told.high) == (34.0, 34.0, 55.0)
    missed = [abs(44.5 / 34 - 1), abs(44.5 / 34 - 1), abs(34 / 55 - 1)]
    assert told.error == pytest.approx(sorted(missed)[1], abs=1e-3)
    assert told.largest_error == pytest.approx(max(missed), abs=1e-3)
    assert "off by 31% in the median and 38% at most" in str(told)


def test_runs_of_other_sizes_foretell_one_another(tmp_path: Path) -> None:
    for rows in (100, 400, 1600):
        add(tmp_path, rows=rows)
    told = predict(measured_runs(tmp_path), wanted(6400))
    assert told.largest_error == pytest.approx(0, abs=1e-6)
    assert told.seconds == pytest.approx(12_800 * 0.1 + 14)


def test_the_best_basis_is_taken(tmp_path: Path) -> None:
    assert len(BASES) == 4
    other = {"name": "letters"}
    add(tmp_path, rest=100.0, case={"strategy": {"kind": "lora"}, "model": {"kind": "e5"}})
    assert predict(measured_runs(tmp_path), wanted()).basis == "the same case and strategy"
    assert predict(measured_runs(tmp_path), wanted(**other)).basis == ""
    add(tmp_path)
    assert predict(measured_runs(tmp_path), wanted(**other)).basis == "the same strategy and model"
    assert (told := predict(measured_runs(tmp_path), wanted())).basis.endswith("and model")
    assert told.records == 1
    assert predict(measured_runs(tmp_path), wanted(strategy={"kind": "ia3"})).basis == ""


def test_only_what_has_succeeded_and_can_be_read_counts(tmp_path: Path) -> None:
    add(tmp_path, status="failed")
    add(tmp_path, finished=-5.0)
    damaged = add(tmp_path)
    damaged.record_file.write_text("{")
    assert measured_runs(tmp_path) == []
    no_case = add(tmp_path)
    no_case.case_file.write_text("[]")
    (found,) = measured_runs(tmp_path)
    assert (found.work, found.settings) == (None, "")
    assert predict([found], wanted()).seconds == 34.0


def test_of_a_resumed_run_the_time_that_was_spent_counts(tmp_path: Path) -> None:
    again = Resumption(time=90_000.0, stage="training", step=1, seconds=20.0)
    add(tmp_path, resumed=(again,), finished=100_000.0, seconds={"total": 40.0})
    (found,) = measured_runs(tmp_path)
    assert found.seconds == 40.0


def test_memory_and_disk_are_the_most_of_any(tmp_path: Path) -> None:
    add(tmp_path, peak_memory_mb=1500.0)
    run = add(tmp_path)
    (run.path / "model").mkdir()
    (run.path / "model" / "weights").write_bytes(b"\0" * 3 * 2**20)
    told = predict(measured_runs(tmp_path), wanted())
    assert told.memory_mb == 1500.0
    assert told.disk_mb == pytest.approx(3, abs=0.1)


def test_no_training_is_no_division_by_nothing(tmp_path: Path) -> None:
    none = CASE["training"] | {"epochs": 0}
    add(tmp_path, case={"training": none})
    assert predict(measured_runs(tmp_path), wanted(training=none)).seconds == 14.0
    assert predict(measured_runs(tmp_path), wanted()).seconds == 14.0
