"""The picture of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tunebook.evaluation.canvas import BLUE, GREEN, ORANGE, canvas, legend_or_empty, title


def rate_curve(result: Mapping[str, Any]) -> Figure:
    """Shows the loss over the learning rate, and the rates that it suggests.

    Args:
        result: `RateFinderResult.to_dict()`.
    """
    figure, axes = canvas(7, 3.6)
    rates, losses, smoothed = (result[name] for name in ("rates", "losses", "smoothed"))
    if rates:
        axes.plot(rates, losses, color=BLUE, alpha=0.3, linewidth=0.8)
        axes.plot(rates, smoothed, color=BLUE, label="training loss, running mean")
        axes.set_xscale("log")
        axes.set_ylim(0, 1.1 * max(smoothed[0], *np.quantile(smoothed, [0.9])))
    for name, colour, label in _MARKS:
        if result[name] is not None:
            axes.axvline(result[name], color=colour, linestyle="--", label=label % result[name])
    axes.set(xlabel="training.learning_rate", ylabel="loss")
    title(axes, _title(result))
    legend_or_empty(axes, "no steps", loc="lower left")
    return figure


_MARKS = (
    ("steepest", GREEN, "steepest descent: %.1e"),
    ("tenth_of_lowest", ORANGE, "a tenth of the rate of the lowest loss: %.1e"),
)


def _title(result: Mapping[str, Any]) -> str:
    if result["learning_rate"] is None:
        return "The loss does not fall anywhere in this range"
    return f"Suggested learning rate: {result['learning_rate']:.1e}"
