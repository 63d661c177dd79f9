"""A leaderboard as data: JSON types with stable keys, and the rows of a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunebook.batch.board import Results
from tunebook.batch.comparing import mean_estimate
from tunebook.batch.entry import Entry
from tunebook.batch.rows import Finished, Row, Table, Unranked
from tunebook.batch.settings import case_name, told
from tunebook.records import Estimate

SCHEMA_VERSION = 1

COLUMNS = (
    "case",
    "task",
    "rank",
    "state",
    "key",
    "run",
    "score",
    "validation",
    "test",
    "low",
    "high",
    "setting_validation",
    "setting_test",
    "setting_low",
    "setting_high",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_corrected",
    "verdict",
    "training_seconds",
    "trained_share",
    "memory_mb",
    "train_rows",
    "why_not_ranked",
)
"""Columns of the CSV, one row for each run and task; those of the parameters follow."""


def to_json(results: Results) -> dict[str, Any]:
    """Returns results as JSON types with stable keys; paths are relative to the batch."""
    return {
        "schema_version": SCHEMA_VERSION,
        "batch": results.folder.name,
        "states": results.counts,
        "tables": [_table(table, results.folder) for table in results.tables],
        "unreadable": [_unranked(each) for each in results.unreadable],
        "failures": [failure.to_dict() for failure in results.failures],
        "unfinished": [
            {"key": e.key, "case": case_name(e.case), "state": e.state, "attempts": e.attempts}
            | {"parameters": dict(e.parameters)}
            for e in results.unfinished
        ],
    }


def _table(table: Table, folder: Path) -> dict[str, Any]:
    keep = ("case", "task", "score", "lower_is_better", "by", "level", "unit", "units")
    return {
        **{
            name: getattr(table, name)
            for name in (*keep, "split", "test_rows", "test_sets", "tests")
        },
        "varied": list(table.varied),
        "constant": dict(table.constant),
        "rows": [_row(row, folder) for row in table.rows],
        "unranked": [_unranked(each) for each in table.unranked],
    }


def _row(row: Row, folder: Path) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "parameters": row.setting,
        "validation": row.validation,
        "test": row.test.model_dump(),
        "deviation_over_seeds": row.deviation,
        "difference_to_best": row.difference.model_dump() if row.difference else None,
        "p": row.p,
        "p_corrected": row.p_corrected,
        "verdict": row.verdict,
        "training_seconds": row.seconds,
        "trained_share": row.share,
        "memory_mb": row.memory_mb,
        "train_rows": row.train_rows,
        "planned_runs": row.planned,
        "runs": [_run(run, folder) for run in row.runs],
    }


def _run(run: Finished, folder: Path) -> dict[str, Any]:
    record = run.of.record
    return {
        "key": run.of.entry.key,
        "run": run.of.run.run_id,
        "path": relative(run.of.run.path, folder),
        "seed": record.seed,
        "validation": run.validation,
        "test": _own(run).model_dump(),
        "training_seconds": record.seconds.get("training"),
        "memory_mb": record.peak_memory_mb,
    }


def _unranked(each: Unranked) -> dict[str, Any]:
    return {"key": each.entry.key, "run": _run_id(each.entry), "reason": each.reason}


def _run_id(entry: Entry) -> str | None:
    return entry.run.run_id if entry.run else None


def _own(run: Finished) -> Estimate:
    """Returns a run's own test score, with the resamples that the whole table shares."""
    return mean_estimate([run.scored], run.of.report.level)


def relative(path: Path, folder: Path) -> str:
    """Returns a path as it is seen from the batch, so that it holds when both are moved."""
    return Path(os.path.relpath(path, folder)).as_posix()


def to_csv(results: Results) -> str:
    """Returns one row for each run and task, and for each entry that has none yet."""
    names = dict.fromkeys(name for entry in results.entries for name in entry.parameters)
    # a parameter may be called like a column of ours
    columns = {name: f"parameters.{name}" if name in COLUMNS else name for name in names}
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*COLUMNS, *columns.values()], lineterminator="\n")
    writer.writeheader()
    for entry, content in _lines(results):
        given = {columns[name]: told(value) for name, value in entry.parameters.items()}
        writer.writerow({"key": entry.key, "state": entry.state, **content, **given})
    return buffer.getvalue()


def _lines(results: Results) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    """Yields what the CSV says of each entry; one of several tasks has a line for each."""
    seen = set()
    for table in results.tables:
        place = {"case": table.case, "task": table.task, "score": table.score}
        for row in table.rows:
            for run in row.runs:
                seen.add(run.of.entry.key)
                yield run.of.entry, {**place, **_line(row, run)}
        for each in table.unranked:
            seen.add(each.entry.key)
            yield each.entry, {**place, **_reason(each)}
    for each in results.unreadable:
        seen.add(each.entry.key)
        yield each.entry, {"case": case_name(each.entry.case), **_reason(each)}
    for entry in results.entries:
        if entry.key not in seen:
            yield entry, {"case": case_name(entry.case), "run": _run_id(entry)}


def _line(row: Row, run: Finished) -> dict[str, Any]:
    record, own = run.of.record, _own(run)
    return {
        "rank": row.rank,
        "run": run.of.run.run_id,
        "validation": run.validation,
        "test": own.value,
        "low": own.low,
        "high": own.high,
        "setting_validation": row.validation,
        **_estimate("setting_", row.test, value="setting_test"),
        **_estimate("difference_", row.difference, value="difference"),
        "p": row.p,
        "p_corrected": row.p_corrected,
        "verdict": row.verdict,
        "training_seconds": record.seconds.get("training"),
        "trained_share": record.parameters.get("share"),
        "memory_mb": record.peak_memory_mb,
        "train_rows": (record.data.get("splits") or {}).get("train"),
    }


def _estimate(prefix: str, estimate: Estimate | None, value: str) -> dict[str, float]:
    if estimate is None:
        return {}
    return {value: estimate.value, f"{prefix}low": estimate.low, f"{prefix}high": estimate.high}


def _reason(each: Unranked) -> dict[str, Any]:
    return {"run": _run_id(each.entry), "why_not_ranked": each.reason}
