"""A run as HTML without widgets: what its panel shows, and what stays in a saved notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping

from tunebook.widgets.curves import line_chart
from tunebook.widgets.view import RunView, smoothed

SMOOTHING = 0.6
SHOWN_SCORES = 3
CURVES = ("loss", "score", "rate")
PIECES = ("bar", "facts", *CURVES, "told")
"""What a picture is made of, from the top down."""


def parts(
    run_id: str,
    view: RunView,
    memory_mb: float | None = None,
    *,
    smoothing: float = SMOOTHING,
    log: bool = False,
) -> dict[str, str]:
    """Returns the pieces of a picture, by their names in `PIECES`.

    Args:
        run_id: Whose they are.
        view: What has happened in it.
        memory_mb: Of its process, where that is known.
        smoothing: What a point of the loss keeps of those before it, see `smoothed`.
        log: Whether the loss is on a log scale.
    """
    losses = {"training": smoothed(view.losses, smoothing)}
    scores = dict([*view.scores.items()][:SHOWN_SCORES])
    return {
        "bar": _bar(run_id, view),
        "facts": _facts(view.facts(memory_mb)),
        "loss": line_chart("Training loss", losses, log=log, faint=view.losses),
        "score": line_chart("Validation", scores),
        "rate": line_chart("Learning rate", {"rate": view.rates}),
        "told": _lines([*view.told, *view.answers]),
    }


def picture(pieces: Mapping[str, str]) -> str:
    """Returns the pieces as one."""
    return f'<div class="tunebook-run">{"".join(pieces.values())}</div>'


def _bar(run_id: str, view: RunView) -> str:
    share = 1.0 if view.ended == "succeeded" else view.progress.share
    name = html.escape(run_id)
    label = f'aria-label="progress of {name}" style="width:16em"'
    return (
        f'<div style="line-height:1.6"><b>{name}</b> '
        f'<progress {label} value="{share:.3f}" max="1"></progress> {html.escape(view.state)}</div>'
    )


def _facts(facts: Mapping[str, str]) -> str:
    cells = (
        f'<span style="white-space:nowrap"><span style="opacity:.65">{html.escape(name)}</span> '
        f"{html.escape(value)}</span>"
        for name, value in facts.items()
    )
    style = "display:flex;flex-wrap:wrap;gap:.2em 1.4em;line-height:1.5"
    return f'<div style="{style}">{"".join(cells)}</div>'


def _lines(lines: list[str]) -> str:
    text = "\n".join(html.escape(line) for line in lines)
    return f'<pre role="log" style="margin:0;font-size:11px;white-space:pre-wrap">{text}</pre>'
