"""What all pictures share: paper, colours, names, and how they become files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tunebook.errors import MachineError
from tunebook.records import write_atomically, write_problem

DPI = 120
PALETTE = sns.color_palette("colorblind").as_hex()
BLUE, ORANGE, GREEN, GREY = (PALETTE[place] for place in (0, 1, 2, 7))


class Picture(Figure):
    """A figure that any notebook can show, with or without a pyplot backend."""

    def _repr_png_(self) -> bytes:
        return to_png(self)


def to_png(figure: Figure) -> bytes:
    """Returns the figure as a PNG file."""
    buffer = io.BytesIO()
    with without_font_warnings():
        figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return buffer.getvalue()


@contextmanager
def without_font_warnings() -> Iterator[None]:
    """Keeps quiet about a script that no installed font has; tables show such names anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes the figure as PNG, making the folder if need be; returns `path`.

    Raises:
        MachineError: The folder cannot be written to or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(write_problem(path, error)) from error
    write_atomically(path, to_png(figure))
    return path


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Returns an empty figure with one pair of axes; sizes in inches."""
    figure = Picture(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    return figure, axes


def plain(axes: Axes) -> None:
    """Takes away what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def title(axes: Axes, text: str) -> None:
    """Says what is seen."""
    axes.set_title(text, loc="left", fontsize=11)


def short(name: str, width: int = 38) -> str:
    """Returns a class name on one line; a bare `$` would begin a formula."""
    line = " ".join(name.split()) or "(empty)"
    cut = line if len(line) <= width else line[: width - 1].rstrip() + "…"
    return cut.replace("$", r"\$")


def legend_or_empty(axes: Axes, empty: str, **place: Any) -> None:
    """Adds a legend, pale over what it may cover, or says that there is nothing to see."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(facecolor="white", edgecolor="none", framealpha=0.8, fontsize=9, **place)
    else:
        axes.text(0.5, 0.5, empty, transform=axes.transAxes, ha="center", color=GREY)
