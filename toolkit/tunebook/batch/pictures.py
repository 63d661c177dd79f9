"""Pictures of a ranked table. They show the score that the order is made by, so that who chooses
by looking at them doesn't choose by test rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from tunebook.batch.rows import Row, Table
from tunebook.batch.settings import in_words, told, value_of
from tunebook.evaluation.canvas import (
    BLUE,
    GREY,
    ORANGE,
    PALETTE,
    Picture,
    canvas,
    plain,
    short,
    title,
    without_font_warnings,
)
from tunebook.evaluation.wording import words

MOST_VALUES = 12
"""Values of a parameter that a heat map has room for."""
MOST_LINES = 6
MOST_SETTINGS = 25
"""Settings that the picture of seeds has room for, the best first."""
MOST_NAMED, LONGEST_NAME = 12, 26
"""Settings of a table whose front is told by names of such a length; others by ranks."""
MOST_JOINED = 20
"""Values of a number that a line joins; more, as of a random search, are a cloud of points."""
WIDE_RANGE = 20
"""A parameter whose largest value is so many times its smallest is drawn on a log scale."""


@dataclass(frozen=True)
class Drawing:
    """A picture, its heading, what it shows for those who cannot see it, and what to mind."""

    name: str
    heading: str
    alternative: str
    draw: Callable[[Table], Figure | None]
    note: str = ""


def heat_map(table: Table) -> Figure | None:
    """Shows the score over the values of two parameters; None where there are no two to show.

    With more than two parameters varied, a cell is the mean over what else varies.
    """
    names = [name for name in table.varied if 2 <= len(_values(table, name)) <= MOST_VALUES][:2]
    if len(names) < 2:
        return None
    down, across = names
    rows, columns = _values(table, down), _values(table, across)
    cells = np.full((len(rows), len(columns)), np.nan)
    for y, value in enumerate(rows):
        for x, other in enumerate(columns):
            found = [
                _score(table, row)
                for row in table.rows
                if (value_of(row.setting, down), value_of(row.setting, across)) == (value, other)
            ]
            cells[y, x] = _mean(found)
    if not np.isfinite(cells).any():
        return None
    longest = max(len(short(value, 22)) for value in columns)
    upright = longest > 8
    figure, axes = canvas(
        2.6 + 0.85 * len(columns), 1.7 + 0.42 * len(rows) + (0.07 * longest if upright else 0)
    )
    with without_font_warnings():
        sns.heatmap(
            cells,
            ax=axes,
            cmap="Blues_r" if table.lower_is_better else "Blues",
            annot=True,
            fmt=".3f",
            annot_kws={"fontsize": 9},
            linewidths=0.5,
            cbar_kws={"shrink": 0.8},
            xticklabels=[short(value, 22) for value in columns],
            yticklabels=[short(value, 22) for value in rows],
        )
    axes.tick_params(length=0, labelsize=9)
    axes.tick_params(axis="x", rotation=90 if upright else 0)
    axes.tick_params(axis="y", rotation=0)
    axes.set(xlabel=short(across), ylabel=short(down))
    others = [name for name in table.varied if name not in names]
    over = f"\nmean over {', '.join(short(name) for name in others)}" if others else ""
    title(axes, f"{_axis(table)}{over}")
    return figure


def lines(table: Table) -> Figure | None:
    """Shows the score over each numeric parameter, a line for each value of another parameter."""
    numeric = [name for name in table.varied if len(_numbers(table, name)) >= 2][:3]
    if not numeric:
        return None
    figure = Picture(figsize=(5.4 * len(numeric), 3.9), layout="constrained")
    panels = figure.subplots(1, len(numeric), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, numeric, strict=True):
        plain(axes)
        _lines(axes, table, name)
    panels[0].set_ylabel(_axis(table))
    return figure


def seeds(table: Table) -> Figure | None:
    """Shows every run of settings that have several: how far seeds lie apart."""
    shown = [row for row in table.rows if len(row.runs) > 1][:MOST_SETTINGS]
    if not shown:
        return None
    figure, axes = canvas(8, 1.3 + 0.32 * max(len(shown), 2))
    for place, row in enumerate(reversed(shown)):
        values = [
            run.validation if table.by == "validation" else run.scored.value for run in row.runs
        ]
        known = [value for value in values if value is not None]
        axes.plot(known, [place] * len(known), "o", color=BLUE, alpha=0.45, markersize=6)
        if known:
            axes.plot([np.mean(known)], [place], "|", color=ORANGE, markersize=15, mew=2.5)
    labels = [f"{short(_name(table, row), 44)}  ({row.rank})" for row in reversed(shown)]
    axes.set_yticks(range(len(shown)), labels, fontsize=8)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="y", color="#e8e8e8", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(_axis(table))
    some = f", the first {len(shown)}" if len(shown) < len(table.rows) else ""
    title(axes, f"A dot for each seed, a bar for their mean{some} (in brackets: rank)")
    return figure


def pareto(table: Table) -> Figure | None:
    """Shows the score over training time and over the share of trained parameters, with the
    settings that nothing beats in both."""
    known = [(label, of) for label, of in COSTS if len({of(row) for row in table.rows}) > 1]
    if not known or len(table.rows) < 2:
        return None
    figure = Picture(figsize=(5.6 * len(known), 4.3), layout="constrained")
    with without_font_warnings():
        for axes, (label, of) in zip(
            figure.subplots(1, len(known), squeeze=False)[0], known, strict=True
        ):
            plain(axes)
            _front(axes, table, of)
            scale = " (log scale)" if axes.get_xscale() == "log" else ""
            axes.set(xlabel=f"{label}{scale}", ylabel=_axis(table))
            _plain_ticks(
                axes, "{:.3g} %" if of is _share else "{:,.4g}", 100 if of is _share else 1
            )
    return figure


def _seconds(row: Row) -> float | None:
    return row.seconds


def _share(row: Row) -> float | None:
    return row.share


COSTS: Sequence[tuple[str, Callable[[Row], float | None]]] = (
    ("mean training time in seconds", _seconds),
    ("trained share of the parameters", _share),
)


def front_of(table: Table, cost: Callable[[Row], float | None]) -> list[Row]:
    """Returns the settings than which none is as cheap and better, the cheapest first."""
    sign = -1 if table.lower_is_better else 1
    known = [row for row in table.rows if _known(table, row, cost)]
    front: list[Row] = []
    for row in sorted(known, key=lambda row: (cost(row), -sign * _score(table, row))):
        if not front or sign * _score(table, row) > sign * _score(table, front[-1]):
            front.append(row)
    return front


DRAWINGS: Sequence[Drawing] = (
    Drawing(
        "pareto",
        "Score against cost",
        "Points: score over training time, and over the share of trained parameters; a line joins "
        "the settings that nothing beats in both.",
        pareto,
        "Times are wall time on whatever machine, beside whatever else ran there.",
    ),
    Drawing(
        "heat_map",
        "Two parameters",
        "Heat map: score for each combination of two parameters.",
        heat_map,
    ),
    Drawing("lines", "Numeric parameters", "Lines: score over numeric parameters.", lines),
    Drawing("seeds", "Seeds", "Dots: score of each seed, by setting.", seeds),
)
"""In the order of the page; what there is nothing to draw for is left out."""

PICTURES: Mapping[str, Callable[[Table], Figure | None]] = {
    drawing.name: drawing.draw for drawing in DRAWINGS
}


def _front(axes: Axes, table: Table, cost: Callable[[Row], float | None]) -> None:
    front = front_of(table, cost)
    others = [row for row in table.rows if row not in front and _known(table, row, cost)]
    axes.plot(
        [cost(row) for row in others],
        [_score(table, row) for row in others],
        "o",
        color=GREY,
        markersize=6 if len(others) <= MOST_SETTINGS else 3,
        markeredgewidth=0,
    )
    x, y = [cost(row) for row in front], [_score(table, row) for row in front]
    axes.step(x, y, where="post", color=ORANGE, linewidth=1.2)
    axes.plot(x, y, "o", color=ORANGE, markersize=7)
    if all((cost(row) or 0) > 0 for row in (*front, *others)):
        axes.set_xscale("log")
    axes.margins(x=0.16, y=0.16)
    names = [_name(table, row) for row in front]
    by_name = len(table.rows) <= MOST_NAMED and max(map(len, names), default=0) <= LONGEST_NAME
    for number, (row, name) in enumerate(zip(front, names, strict=True)):
        axes.annotate(
            short(name) if by_name else f"{row.rank}",
            (cost(row), _score(table, row)),
            # on the better side, which the line keeps clear of
            (0, -14 if table.lower_is_better else 7),
            textcoords="offset points",
            fontsize=8,
            ha="left" if number < len(front) / 2 else "right",
        )
    what = f"{len(front)} of {len(table.rows)} settings: nothing is cheaper and better"
    title(axes, what if by_name else f"{what} (numbers: ranks)")


def _plain_ticks(axes: Axes, form: str, factor: int) -> None:
    """Writes the ends of a log scale as people do, whatever few ticks it has."""
    ticks = axes.get_xlim()
    inside = [v for v in _round_numbers(*ticks) if ticks[0] <= v <= ticks[1]]
    axes.xaxis.set_major_locator(FixedLocator(inside))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(inside, [form.format(value * factor) for value in inside])


def _round_numbers(low: float, high: float) -> list[float]:
    """Returns 1, 2 and 5 times powers of ten, fewer of them over a wide range."""
    if low <= 0:
        return [float(v) for v in MaxNLocator(5).tick_values(low, high)]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 3, 4, 5, 6, 8) if high / low < 5 else (1, 2, 5) if len(powers) <= 3 else (1,)
    return [step * 10.0**power for power in powers for step in steps]


def _lines(axes: Axes, table: Table, name: str) -> None:
    values = _numbers(table, name)
    by = next(
        (n for n in table.varied if n != name and 2 <= len(_values(table, n)) <= MOST_LINES), None
    )
    for number, group in enumerate(_values(table, by) if by else [""]):
        rows = [row for row in table.rows if not by or value_of(row.setting, by) == group]
        points = [(v, [r for r in rows if r.setting.get(name) == v]) for v in values]
        drawn = [(v, _mean([_score(table, r) for r in some])) for v, some in points if some]
        colour = PALETTE[number % len(PALETTE)]
        if drawn:
            mark, size = ("o-", 6) if len(values) <= MOST_JOINED else (".", 5)
            label = short(group, 24)
            axes.plot(*zip(*drawn, strict=True), mark, ms=size, color=colour, label=label)
        for v, some in points:
            known = _run_scores(table, some)
            axes.plot([v] * len(known), known, ".", color=colour, alpha=0.4, markersize=5)
    if values[0] > 0 and values[-1] / values[0] >= WIDE_RANGE:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if len(values) <= 7:
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.margins(x=0.08)
    axes.set_xlabel(short(name))
    if by:
        place = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        axes.legend(frameon=False, fontsize=8, title=short(by, 24), title_fontsize=8, **place)
    others = [n for n in table.varied if n not in (name, by)]
    title(axes, f"mean over {', '.join(short(n, 20) for n in others)}" if others else "")


def _score(table: Table, row: Row) -> Any:
    return row.score(table.by)


def _known(table: Table, row: Row, cost: Callable[[Row], float | None]) -> bool:
    return _score(table, row) is not None and cost(row) is not None


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else math.nan


def _axis(table: Table) -> str:
    lower = ", lower is better" if table.lower_is_better else ""
    return f"{words(table.score)} on {table.by}{lower}"


def _name(table: Table, row: Row) -> str:
    return ", ".join(value_of(row.setting, name) for name in table.varied) or in_words(
        row.setting, row.setting
    )


def _run_scores(table: Table, rows: Sequence[Row]) -> list[float]:
    found = [run.score(table.by) for row in rows for run in row.runs]
    return [value for value in found if value is not None]


def _values(table: Table, name: str) -> list[str]:
    """Returns the values of a parameter in words: numbers by size, others as they are ranked."""
    found = dict.fromkeys(value_of(row.setting, name) for row in table.rows)
    numbers = [told(number) for number in _numbers(table, name)]
    return [*dict.fromkeys([*numbers, *found])]


def _numbers(table: Table, name: str) -> list[Any]:
    """Returns the values, in order, of a parameter that has numbers only, where it is set."""
    found = [row.setting[name] for row in table.rows if name in row.setting]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in found):
        return []
    return sorted(set(found))
