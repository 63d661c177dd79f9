"""Small line charts as inline SVG: no script, no network, readable in light and dark themes."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from tunebook.widgets.view import Points

WIDTH, HEIGHT = 420, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 24, 26
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")
MOST_POINTS = 300
INK = 'fill="currentColor"'
GRID = "stroke:currentColor;stroke-opacity:.18"


def line_chart(
    title: str, series: Mapping[str, Points], *, log: bool = False, faint: Points | None = None
) -> str:
    """Returns a chart of curves over steps.

    Args:
        title: Stands above it, and is read out with the last values.
        series: Points of each curve, by name; those that a log scale can't show are left out.
        log: Whether the values are on a log scale.
        faint: Points that are drawn pale behind the curves.
    """
    shown = {name: _thin(_usable(points, log)) for name, points in series.items()}
    shown = {name: points for name, points in shown.items() if points}
    behind = _thin(_usable(faint or [], log))
    every = [point for points in [*shown.values(), behind] for point in points]
    said = ", ".join(f"{name} {points[-1][1]:.4g}" for name, points in shown.items())
    label = html.escape(f"{title}: {said or 'nothing yet'}", quote=True)
    parts = [
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="width:100%;max-width:{WIDTH}px;font:11px sans-serif;color:inherit">',
        f'<text x="{LEFT}" y="13" font-weight="600" {INK}>{html.escape(title)}</text>',
    ]
    if every:
        scale = _Scale(every, log)
        parts += [*scale.axes()]
        if behind:
            parts.append(_line(scale, behind, COLOURS[0], opacity=0.3))
        for points, colour in zip(shown.values(), COLOURS, strict=False):
            parts.append(_line(scale, points, colour))
            x, y = scale.place(points[-1])
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>')
        parts += _legend([*shown]) if len(shown) > 1 else []
    else:
        parts.append(f'<text x="{LEFT}" y="{HEIGHT / 2}" fill="currentColor">nothing yet</text>')
    return "".join([*parts, "</svg>"])


class _Scale:
    """From steps and values to places in the picture."""

    def __init__(self, points: Sequence[tuple[float, float]], log: bool) -> None:
        self.log = log
        steps, values = [p[0] for p in points], [self._of(p[1]) for p in points]
        self.first, self.last = min(steps), max(steps)
        self.low, self.high = min(values), max(values)
        if self.high == self.low:
            margin = abs(self.low) * 0.1 or 1
            self.low, self.high = self.low - margin, self.high + margin

    def _of(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        along = (point[0] - self.first) / ((self.last - self.first) or 1)
        up = (self._of(point[1]) - self.low) / (self.high - self.low)
        return (
            LEFT + along * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    def axes(self) -> list[str]:
        found = []
        for share in (0, 0.5, 1):
            value = self.low + share * (self.high - self.low)
            y = HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
            told = tick(10**value if self.log else value)
            found.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" style="{GRID}"/>'
            )
            found.append(f'<text x="{LEFT - 5}" y="{y + 4}" text-anchor="end" {INK}>{told}</text>')
        for step, anchor in ((self.first, "start"), (self.last, "end")):
            x = LEFT if anchor == "start" else WIDTH - RIGHT
            found.append(
                f'<text x="{x}" y="{HEIGHT - 9}" text-anchor="{anchor}" fill="currentColor">'
                f"{step:,.0f}</text>"
            )
        return found


def tick(value: float) -> str:
    """Returns a number of three digits in at most eight signs, for which there is room."""
    text = f"{value:.3g}"
    if "e" not in text and (not value or abs(value) >= 0.001):
        return text
    digits, exponent = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def _line(scale: _Scale, points: Points, colour: str, *, opacity: float = 1) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(scale.place, points))
    return (
        f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.6" '
        f'stroke-opacity="{opacity}"/>'
    )


def _legend(names: Sequence[str]) -> list[str]:
    found, x = [], float(WIDTH - RIGHT)
    for name, colour in reversed([*zip(names, COLOURS, strict=False)]):
        text = html.escape(name.replace("_", " "))
        found.append(f'<text x="{x}" y="13" text-anchor="end" fill="{colour}">{text}</text>')
        x -= 6.2 * len(name) + 10
    return found


def _usable(points: Points, log: bool) -> Points:
    return [point for point in points if point[1] > 0] if log else points


def _thin(points: Points) -> Points:
    """Returns at most so many points, the last one among them."""
    every = -(-len(points) // MOST_POINTS)
    if every <= 1:
        return points
    return [*points[::every], points[-1]]
