"""The leaderboard as one HTML page that needs no network, and no other file, to be read."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tunebook.batch.as_data import to_json
from tunebook.batch.board import Results
from tunebook.batch.entry import Entry
from tunebook.batch.kept import Kept
from tunebook.batch.rows import Finished, Row, Table
from tunebook.batch.sentences import heading, notes, summary
from tunebook.batch.settings import case_name, in_words, told, value_of
from tunebook.evaluation.tables import signed
from tunebook.evaluation.wording import words

OPEN_ROWS = 50
"""Rows that are shown at once; the others are folded away."""
MOST_LINKED = 200
"""Runs that are listed one by one among failures and what is not done."""
BAR = 120
"""Width of an interval's bar in pixels."""
STATES = ("succeeded", "running", "queued", "failed", "timed_out", "stopped", "lost")


def render_page(results: Results) -> str:
    """Returns the page of a batch."""
    return _ENVIRONMENT.get_template("leaderboard.html.j2").render(
        title=results.folder.name,
        counts=[(s.replace("_", " "), results.counts[s]) for s in STATES if s in results.counts],
        total=len(results.entries),
        tables=[
            _table(table, content, results.folder)
            for table, content in zip(results.tables, to_json(results)["tables"], strict=True)
        ],
        failures=[_failure(each, results) for each in results.failures],
        unreadable=[{"name": _entry_name(u.entry), "reason": u.reason} for u in results.unreadable],
        unfinished=[
            {"name": _entry_name(e), "state": e.state} for e in results.unfinished[:MOST_LINKED]
        ],
        more_unfinished=max(0, len(results.unfinished) - MOST_LINKED),
    )


def _table(table: Table, content: Any, folder: Path) -> dict[str, Any]:
    parts = (table.rows[:OPEN_ROWS], table.rows[OPEN_ROWS:])
    shown, folded = ([_row(row, table, _scale(some), folder) for row in some] for some in parts)
    return {
        "heading": heading(table),
        "score": words(table.score),
        "direction": "lower is better" if table.lower_is_better else "higher is better",
        "level": f"{table.level:.0%}",
        "by": table.by,
        "split": table.split,
        "judged": table.judged,
        "unit": table.unit,
        "summary": [*summary(table)],
        "notes": [*notes(table)],
        "varied": table.varied,
        "constant": [(name, told(value)) for name, value in table.constant.items()],
        "seeds": table.several_seeds,
        "incomplete": any(len(row.runs) < row.planned for row in table.rows),
        "open": shown,
        "folded": folded,
        "figures": [*_figures(table, content, Kept(folder))],
        "unranked": [{"name": _entry_name(u.entry), "reason": u.reason} for u in table.unranked],
    }


def _row(row: Row, table: Table, scale: tuple[float, float], folder: Path) -> dict[str, Any]:
    estimate = row.test
    return {
        "rank": row.rank,
        "values": [value_of(row.setting, name) for name in table.varied] or ["as planned"],
        "validation": _number(row.validation, "{:.3f}"),
        "test": f"{estimate.value:.3f}",
        "interval": f"{estimate.low:.3f} to {estimate.high:.3f}",
        "bar": {
            "low": _at(estimate.low, scale),
            "value": _at(estimate.value, scale),
            "high": _at(estimate.high, scale),
        },
        "deviation": _number(row.deviation, "{:.3f}"),
        "difference": signed(row.difference) if row.difference else "",
        "p": "" if row.p_corrected is None else _p(row.p_corrected),
        "verdict": row.verdict,
        "time": _number(row.seconds, "{:,.1f} s"),
        "share": _number(row.share, "{:.2%}"),
        "memory": _number(row.memory_mb, "{:,.0f} MB"),
        "done": f"{len(row.runs)} of {row.planned}",
        "runs": [_links(run, folder) for run in row.runs],
    }


def _scale(rows: Sequence[Row]) -> tuple[float, float]:
    """Returns the ends of the axis that the bars of some rows, one or more, share."""
    low, high = min(row.test.low for row in rows), max(row.test.high for row in rows)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _at(value: float, scale: tuple[float, float]) -> float:
    share = (value - scale[0]) / (scale[1] - scale[0])
    return round(4 + share * (BAR - 8), 1)


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _links(run: Finished, folder: Path) -> dict[str, Any]:
    of, whole = run.of.run, run.of.run.of_task(run.of.task)
    places = {"report": whole.report, "notebook": of.notebook, "folder": of.path}
    return {
        "name": f"seed {run.of.record.seed}",
        "test": f"{run.scored.value:.3f}",
        "links": [(name, link(p, folder)) for name, p in places.items() if p.exists()],
    }


def link(path: Path, folder: Path) -> str:
    """Returns a relative address, so that the page holds when its folder is moved."""
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _figures(table: Table, content: Any, kept: Kept) -> Iterator[dict[str, str]]:
    """Yields every picture that there is something to draw for.

    Args:
        table: What is drawn.
        content: The table as JSON types, which says whether a picture of before still holds.
        kept: Where pictures of before lie.
    """
    from tunebook.batch.pictures import DRAWINGS
    from tunebook.evaluation.canvas import to_png

    for drawing in DRAWINGS:

        def make(draw: Any = drawing.draw) -> bytes:
            figure = draw(table)
            return b"" if figure is None else to_png(figure)

        picture = kept.picture([drawing.name, content], make)
        if picture:
            source = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
            told = {"heading": drawing.heading, "alt": drawing.alternative, "note": drawing.note}
            yield told | {"source": source}


def _failure(failure: Any, results: Results) -> dict[str, Any]:
    by_key = {entry.key: entry for entry in results.entries}
    entries = [by_key[key] for key in failure.keys]
    return {
        "count": len(entries),
        "code": failure.code,
        "place": f"cell [{failure.cell}]" if failure.cell is not None else failure.where,
        "found": failure.found,
        "fix": failure.fix,
        "runs": [
            {"name": _entry_name(entry), "state": entry.state.replace("_", " ")}
            | {"links": [*_entry_links(entry, results.folder)]}
            for entry in entries[:MOST_LINKED]
        ],
        "more": max(0, len(entries) - MOST_LINKED),
    }


def _entry_links(entry: Entry, folder: Path) -> Iterator[tuple[str, str]]:
    if entry.run is not None:
        run = entry.run
        for name, path in {
            "report": run.report,
            "notebook": run.notebook,
            "folder": run.path,
        }.items():
            if path.exists():
                yield name, link(path, folder)


def _entry_name(entry: Entry) -> str:
    return f"{case_name(entry.case)}: {in_words(dict(entry.parameters), entry.parameters)}"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
