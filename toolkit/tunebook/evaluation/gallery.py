"""All pictures of a run, drawn from what lies on disk."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from tunebook.config import MEAN
from tunebook.evaluation.figures import (
    class_balance,
    confusion_heatmap,
    learning_curve,
    per_class_f1,
    save_figure,
    stage_losses,
    training_curves,
)
from tunebook.evaluation.number_figures import predicted_against_true, residuals
from tunebook.records import RunDirectory, RunRecord

Events = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Material:
    """What pictures are drawn from."""

    run: RunDirectory
    record: RunRecord
    events: Events

    def class_counts(self) -> Any:
        return self.record.data.get("class_counts")

    def curve(self) -> Any:
        return self.record.learning_curve

    def steps(self) -> Any:
        return self.events

    def stages(self) -> Any:
        return [event for event in self.events if event["type"] == "stage_step"]

    def confusion(self) -> Any:
        report = self.record.report
        return report if report and report.confusion else None

    def f1_by_class(self) -> Any:
        report = self.record.report
        return report if report and "f1" in report.per_class else None

    def numbers(self) -> Any:
        """Returns the table of predictions, where these are numbers."""
        if not self.run.predictions.is_file():
            return None
        wanted = ["label", "predicted", "error"]
        if not {*wanted} <= {*pq.read_schema(self.run.predictions).names}:
            return None
        return pd.read_parquet(self.run.predictions, columns=wanted)


PICTURES: Mapping[str, tuple[Callable[[Material], Any], Callable[..., Figure]]] = {
    "classes": (Material.class_counts, class_balance),
    "stages": (Material.stages, stage_losses),
    "training": (Material.steps, training_curves),
    "confusion": (Material.confusion, confusion_heatmap),
    "per_class_f1": (Material.f1_by_class, per_class_f1),
    "predicted_true": (Material.numbers, predicted_against_true),
    "residuals": (Material.numbers, residuals),
    "learning_curve": (Material.curve, learning_curve),
}
"""By file name, what a picture is drawn from (nothing: it isn't drawn), and the function."""


def save_gallery(
    run: RunDirectory, record: RunRecord, events: Events, only: Container[str] = PICTURES
) -> list[str]:
    """Draws the pictures that the run has material for, or `only` some; returns their names.

    Raises:
        MachineError: The folder cannot be written to.
    """
    run.figures.mkdir(exist_ok=True)
    primary = record.report.primary if record.report else MEAN if record.tasks else ""
    drawn = []
    for name, (material, function) in PICTURES.items():
        content = material(Material(run, record, events)) if name in only else None
        if _is_there(content):
            extra = (primary,) if name in ("training", "learning_curve") else ()
            save_figure(function(content, *extra), run.figures / f"{name}.png")
            drawn.append(name)
    return drawn


def _is_there(content: Any) -> bool:
    return not content.empty if isinstance(content, pd.DataFrame) else bool(content)
