"""An audition as HTML: candidates by rungs, scores with intervals; no script, no network."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunebook.audition.sentences import budget
from tunebook.records import Estimate

if TYPE_CHECKING:
    from tunebook.audition.reading import Audition

WIDTH, HEIGHT, EDGE = 120, 16, 5
CELL = 'style="text-align:left;vertical-align:middle"'
TITLE = 'style="text-align:left;vertical-align:bottom"'


@dataclass
class Line:
    """A candidate in the picture.

    Attributes:
        outcome: What became of it.
        estimates: Its scores by the number of the rung.
    """

    name: str
    outcome: str
    estimates: dict[int, Estimate] = field(default_factory=dict)


def drawn(audition: Audition) -> str:
    """Returns an audition as a notebook shows it."""
    return f'<div class="tunebook-audition">{bar(audition)}{results(audition)}</div>'


def results(audition: Audition) -> str:
    """Returns what an audition has shown so far."""
    parts = [
        table(audition.lines(), _titles(audition)),
        *(f"<p>{html.escape(text)}</p>" for text in audition.sentences()),
        _left_out(audition.file.left_out),
    ]
    return "".join(parts)


def bar(audition: Audition) -> str:
    """Returns how much of the budget is used up."""
    name, file = html.escape(audition.id), audition.file
    share = min(file.spent / file.plan.budget, 1.0)
    return (
        f'<div style="line-height:1.6"><b>{name}</b> <progress aria-label="budget of {name}" '
        f'value="{share:.3f}" max="1" style="width:12em"></progress> {budget(audition)}</div>'
    )


def table(lines: Sequence[Line], titles: Mapping[int, str]) -> str:
    """Returns candidates as rows and rungs as columns; scores of all rungs share one scale."""
    estimates = [each for line in lines for each in line.estimates.values()]
    low = min((each.low for each in estimates), default=0.0)
    high = max((each.high for each in estimates), default=1.0)
    head = "".join(f'<th scope="col" {TITLE}>{text}</th>' for text in titles.values())
    body = "".join(
        f'<tr><th scope="row" {CELL}>{html.escape(line.name)}</th>'
        + "".join(_cell(line.estimates.get(number), low, high) for number in titles)
        + f"<td {CELL}>{html.escape(line.outcome)}</td></tr>"
        for line in lines
    )
    first, final = (f'<th scope="col" {TITLE}>{text}</th>' for text in ("candidate", "outcome"))
    return f"<table><tr>{first}{head}{final}</tr>{body}</table>"


def _titles(audition: Audition) -> dict[int, str]:
    return {
        rung.number: f"rung {rung.number}<br>{rung.tried.rung.rows:,} rows"
        for rung in audition.rungs
    }


def _cell(estimate: Estimate | None, low: float, high: float) -> str:
    if estimate is None:
        return f"<td {CELL}></td>"
    return f"<td {CELL}>{estimate.value:.3f}<br>{_whisker(estimate, low, high)}</td>"


def _whisker(estimate: Estimate, low: float, high: float) -> str:
    """Returns an interval as a line with a dot, on a scale from `low` to `high`."""
    ends = [_place(v, low, high) for v in (estimate.low, estimate.value, estimate.high)]
    said = f"{estimate.value:.3f}, interval {estimate.low:.3f} to {estimate.high:.3f}"
    middle = HEIGHT / 2
    return (
        f'<svg role="img" aria-label="{said}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" style="color:inherit">'
        f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{middle}" y2="{middle}" '
        f'stroke="currentColor" stroke-opacity=".18"/>'
        f'<line x1="{ends[0]:.1f}" x2="{ends[2]:.1f}" y1="{middle}" y2="{middle}" '
        f'stroke="#4c78a8" stroke-width="3"/>'
        f'<circle cx="{ends[1]:.1f}" cy="{middle}" r="4" fill="#4c78a8"/></svg>'
    )


def _place(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return EDGE + share * (WIDTH - 2 * EDGE)


def _left_out(reasons: Mapping[str, str]) -> str:
    if not reasons:
        return ""
    summary = f"<summary>{len(reasons)} can't be tried here</summary>"
    return f"<details>{summary}<ul>{''.join(_items(reasons))}</ul></details>"


def _items(reasons: Mapping[str, str]) -> Iterator[str]:
    for name, why in reasons.items():
        yield f"<li><b>{html.escape(name)}</b>: {html.escape(why)}</li>"
