"""`mlflow`: every run that ends is a run of MLflow as well.

Where they go is said by MLflow's own variable, ``MLFLOW_TRACKING_URI``.
"""

from __future__ import annotations

from tunebook.records import RunRecord
from tunebook.specs import hookimpl

api = 1


@hookimpl
def tunebook_run_finished(run: RunRecord, record: RunRecord) -> None:  # noqa: ARG001
    _keep(record)


@hookimpl
def tunebook_run_failed(run: RunRecord, record: RunRecord) -> None:  # noqa: ARG001
    _keep(record)


def _keep(record: RunRecord) -> None:
    from tunebook_mlflow.impl import keep  # MLflow is imported when a run has ended

    keep(record)
