"""A record of tunebook as a run of MLflow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from tunebook.records import RunRecord

STATUS = {"succeeded": "FINISHED", "stopped": "KILLED"}
LONGEST = 500
"""Signs of a parameter, which older servers take."""


def keep(record: RunRecord, client: MlflowClient | None = None) -> str:
    """Writes a record; returns the id of MLflow's run.

    An experiment is a case. Parameters are what a leaderboard filters by, metrics are the scores
    on the test split with their bounds, and tags lead back to tunebook's folder of the run.
    """
    client = client or MlflowClient()
    began, ended = (int(1000 * (at or record.started)) for at in (record.started, record.finished))
    made = client.create_run(
        _experiment(client, record.case), start_time=began, run_name=record.run_id
    )
    client.log_batch(
        made.info.run_id,
        [Metric(name, value, ended, 0) for name, value in _metrics(record).items()],
        [Param(name, str(value)[:LONGEST]) for name, value in _parameters(record).items()],
        [RunTag(f"tunebook.{name}", str(value)) for name, value in _tags(record).items()],
    )
    client.set_terminated(made.info.run_id, STATUS.get(record.status, "FAILED"), ended)
    return str(made.info.run_id)


def _experiment(client: MlflowClient, case: str) -> str:
    found = client.get_experiment_by_name(case)
    return str(found.experiment_id if found else client.create_experiment(case))


def _parameters(record: RunRecord) -> Mapping[str, Any]:
    # a parameter's name is a path to some of MLflow's stores, and `strategy` is one already
    plugins = {f"plugin.{k.replace(':', '.')}": version for k, version in record.plugins.items()}
    return {"strategy": record.strategy, "seed": record.seed, **plugins}


def _metrics(record: RunRecord) -> Mapping[str, float]:
    """Returns scores and bounds by task, seconds by stage, memory and size."""
    reports = {f"{name}." if name else "": each.report for name, each in record.by_task().items()}
    scores = {
        f"test/{task}{score}{end}": getattr(estimate, bound)
        for task, report in reports.items()
        for score, estimate in (report.scores.items() if report else ())
        for end, bound in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
    sizes = {f"parameters/{name}": float(value) for name, value in record.parameters.items()}
    seconds = {f"seconds/{name}": value for name, value in record.seconds.items()}
    found = {**scores, **sizes, **seconds, "peak_memory_mb": record.peak_memory_mb}
    return {k: v for k, v in found.items() if v is not None and math.isfinite(v)}


def _tags(record: RunRecord) -> Mapping[str, Any]:
    problems = (record.error or {}).get("problems", [])
    return {"run_id": record.run_id, "status": record.status} | (
        {"error": problems[0]["code"]} if problems else {}
    )
