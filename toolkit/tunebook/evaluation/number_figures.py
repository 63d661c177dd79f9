"""Pictures of predicted numbers."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tunebook.evaluation.canvas import BLUE, GREY, canvas, title

MOST_POINTS = 5000


def predicted_against_true(predictions: pd.DataFrame) -> Figure:
    """Shows predictions over true numbers, beside the line on which they are equal.

    Args:
        predictions: Columns `label` and `predicted`.
    """
    figure, axes = canvas(5.2, 4.8)
    _points(axes, predictions, "label", "predicted")
    axes.axline((float(predictions["label"].mean()),) * 2, slope=1, color=GREY, linewidth=1)
    axes.set(xlabel="true", ylabel="predicted")
    title(axes, f"{len(predictions):,} texts; on the line, both are equal")
    return figure


def residuals(predictions: pd.DataFrame) -> Figure:
    """Shows how far predictions lie above the truth, over what was predicted.

    Args:
        predictions: Columns `predicted` and `error`.
    """
    figure, axes = canvas(6.5, 3.6)
    _points(axes, predictions, "predicted", "error")
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set(xlabel="predicted", ylabel="predicted minus true")
    above = float((predictions["error"] > 0).mean())
    title(axes, f"{above:.0%} of the predictions are too high")
    return figure


def _points(axes: Axes, frame: pd.DataFrame, x: str, y: str) -> None:
    """Draws a point a row; of very many rows evenly spread ones."""
    shown = frame.iloc[:: max(1, -(-len(frame) // MOST_POINTS))]
    axes.scatter(shown[x], shown[y], s=12, color=BLUE, alpha=0.4, linewidths=0)
