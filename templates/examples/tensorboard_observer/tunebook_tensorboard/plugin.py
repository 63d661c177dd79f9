"""`tensorboard`: loss, rate and scores of a run as curves, while it trains.

They are written below ``TUNEBOOK_TENSORBOARD_DIR``, or ``tensorboard``, by case and run.
"""

from __future__ import annotations

from tunebook.events import Event
from tunebook.records import RunRecord
from tunebook.specs import hookimpl

api = 1


@hookimpl
def tunebook_event(run: RunRecord, event: Event) -> None:
    from tunebook_tensorboard.impl import draw

    draw(run, event)


@hookimpl
def tunebook_run_finished(run: RunRecord, record: RunRecord) -> None:  # noqa: ARG001
    from tunebook_tensorboard.impl import close

    close(record)


@hookimpl
def tunebook_run_failed(run: RunRecord, record: RunRecord) -> None:  # noqa: ARG001
    from tunebook_tensorboard.impl import close

    close(record)
