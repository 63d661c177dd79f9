"""Results for a client: of a run, of a batch, of all runs, of two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunebook.errors import ConfigError, Problem
from tunebook.mcp.listing import headline
from tunebook.mcp.workspace import Workspace
from tunebook.records import RunDirectory, RunRecord
from tunebook.runs import Run

if TYPE_CHECKING:
    from tunebook.batch.folder import BatchFolder

NOTE = "chosen by validation; a difference counts where its interval leaves out 0"
KEPT = (
    "strategy",
    "seed",
    "status",
    "seconds",
    "peak_memory_mb",
    "parameters",
    "warnings",
    "error",
)


def result(workspace: Workspace, run: RunDirectory) -> dict[str, Any]:
    """Returns what a run has come to: scores with intervals, baselines, differences, files."""
    record = run.read_record()
    told = record.model_dump(mode="json")
    files = {what: workspace.relative(place) for what, place in _files(run).items()}
    return {
        "run_id": run.run_id,
        "case_name": record.case,
        **headline(record),
        "record": {key: told[key] for key in KEPT if told[key] not in (None, [], {})},
        "tasks": {name: _report(each) for name, each in record.by_task().items()},
        "files": files,
        "resources": [f"tunebook://runs/{run.run_id}/{what}" for what in ("record", "report")],
    }


def ranked(workspace: Workspace, case: str | None, top: int) -> dict[str, Any]:
    """Returns the best runs of every group that can be compared."""
    from tunebook.handles import results

    records = workspace.records()
    found = results(workspace.runs_dir, workspace.host(), case=case, top=top, records=records)
    for group in found["groups"]:
        for row in group["rows"]:
            row.pop("path", None)
    return {**found, "note": NOTE}


def leaderboard(workspace: Workspace, folder: BatchFolder) -> dict[str, Any]:
    """Returns the runs of a batch, ranked."""
    from tunebook.batch.as_data import to_json
    from tunebook.batch.board import collect
    from tunebook.batch.standing import standing

    entries = standing(folder)[0].entries
    return {**to_json(collect(folder.path, entries, host=workspace.host())), "note": NOTE}


def compared(run: RunDirectory, other: RunDirectory, task: str) -> dict[str, Any]:
    """Returns one run minus another, from paired resamples of the same test rows.

    Raises:
        ConfigError: They were scored on other rows or classes, or one has no result.
    """
    pair = [_with_result(each, task) for each in (run, other)]
    table = pair[0].compare(pair[1]).reset_index()
    table.columns = [str(name).replace(" ", "_") for name in table.columns]
    rows = json.loads(table.to_json(orient="records"))
    return {"run": run.run_id, "other": other.run_id, "differences": rows, "note": NOTE}


def _with_result(directory: RunDirectory, task: str) -> Run:
    run = Run(directory)
    chosen = run.task(task) if task else run
    if not chosen.record.tasks and chosen.record.report is None:
        fix = "choose runs that `list` has as succeeded"
        found = chosen.record.status
        problem = ("run.no_result", directory.run_id, "a run with a result", found, fix)
        raise ConfigError(Problem(*problem))
    return chosen


def _report(record: RunRecord) -> Mapping[str, Any] | None:
    report = record.report
    if report is None:
        return None
    return {
        "split": report.split,
        "rows": report.rows,
        "intervals": f"{report.level:.0%}, over {report.units} resampled {report.resampled}s",
        "scores": {name: score.model_dump() for name, score in report.scores.items()},
        "baselines": {
            each.title: {name: score.model_dump() for name, score in each.scores.items()}
            for each in report.baselines
        },
        "differences": [each.model_dump() for each in report.comparisons],
    }


def _files(run: RunDirectory) -> dict[str, Any]:
    names = ("notebook", "report", "model", "predictions", "errors", "figures")
    return {name: getattr(run, name) for name in names if getattr(run, name).exists()}
