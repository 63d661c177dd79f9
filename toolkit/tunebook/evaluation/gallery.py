"""All pictures of a run, drawn from what lies on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tunebook.evaluation.figures import (
    class_balance,
    confusion_heatmap,
    learning_curve,
    per_class_f1,
    save_figure,
    training_curves,
)
from tunebook.records import RunDirectory, RunRecord

Events = Sequence[Mapping[str, Any]]

PICTURES: Mapping[str, tuple[Callable[[RunRecord, Events], Any], Callable[..., Figure]]] = {
    "classes": (lambda record, _: record.data.get("class_counts"), class_balance),
    "training": (lambda _, events: events, training_curves),
    "confusion": (
        lambda record, _: record.report if record.report and record.report.confusion else None,
        confusion_heatmap,
    ),
    "per_class_f1": (
        lambda record, _: (
            record.report if record.report and "f1" in record.report.per_class else None
        ),
        per_class_f1,
    ),
    "learning_curve": (lambda record, _: record.learning_curve, learning_curve),
}
"""By file name, what a picture is drawn from (nothing: it isn't drawn), and the function."""


def save_gallery(run: RunDirectory, record: RunRecord, events: Events) -> list[str]:
    """Draws every picture that the run has material for; returns their names.

    Raises:
        MachineError: The folder cannot be written to.
    """
    run.figures.mkdir(exist_ok=True)
    primary = record.report.primary if record.report else ""
    drawn = []
    for name, (material, function) in PICTURES.items():
        content = material(record, events)
        if content:
            extra = (primary,) if name in ("training", "learning_curve") else ()
            save_figure(function(content, *extra), run.figures / f"{name}.png")
            drawn.append(name)
    return drawn
