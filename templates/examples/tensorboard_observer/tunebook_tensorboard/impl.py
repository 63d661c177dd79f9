"""Events of a run as points of curves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from tunebook.events import Evaluated, Event, StepTaken
from tunebook.records import RunRecord

Points = Iterator[tuple[str, float | None]]
WRITERS: dict[str, SummaryWriter] = {}
"""By run, what writes its curves while it is under way."""


def draw(run: RunRecord, event: Event) -> None:
    """Adds what an event says to the curves of its run."""
    points = POINTS.get(type(event))
    if points is not None:
        writer = WRITERS.get(run.run_id) or _open(run)
        for name, value in points(event):
            if value is not None:
                writer.add_scalar(name, value, event.step)  # type: ignore[attr-defined]


def close(record: RunRecord) -> None:
    """Adds the scores on the test split, and ends the curves of a run."""
    writer = WRITERS.get(record.run_id) or _open(record)
    for task, each in record.by_task().items():
        for score, estimate in (each.report.scores if each.report else {}).items():
            writer.add_scalar("/".join(filter(None, ["test", task, score])), estimate.value, 0)
    writer.add_text("status", record.status)
    WRITERS.pop(record.run_id).close()


def _open(run: RunRecord) -> SummaryWriter:
    place = Path(os.environ.get("TUNEBOOK_TENSORBOARD_DIR") or "tensorboard")
    WRITERS[run.run_id] = SummaryWriter(str(place / run.case / run.run_id))
    return WRITERS[run.run_id]


def _of_step(event: StepTaken) -> Points:
    yield "train/loss", event.loss
    yield "train/learning_rate", event.learning_rate
    yield "train/examples_per_second", event.examples_per_second


def _of_evaluation(event: Evaluated) -> Points:
    yield from ((f"validation/{name}", value) for name, value in event.scores.items())


POINTS: Mapping[type[Event], Callable[[Any], Points]] = {
    StepTaken: _of_step,
    Evaluated: _of_evaluation,
}
"""By kind of event, what is drawn of it."""
