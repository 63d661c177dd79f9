"""Tables of a report: rows of text, ready to be shown anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunebook.evaluation.wording import words
from tunebook.records import Estimate, EvalReport, RunRecord

Table = dict[str, list[Any]]
"""`head`, a list of column names, and `body`, a list of rows of text."""


def number(value: object) -> str:
    """Returns any value of a record as a reader wants to see it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {number(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(number(inner) for inner in value)
    return str(value)


def together(estimate: Estimate | None) -> str:
    """Returns an estimate whose interval no line break may part."""
    return "–" if estimate is None else str(estimate).replace(", ", ",\N{NO-BREAK SPACE}")


def signed(difference: Estimate | None) -> str:
    """Returns a difference with its signs."""
    if difference is None:
        return "–"
    low, high = f"{difference.low:+.3f}", f"{difference.high:+.3f}"
    return f"{difference.value:+.3f} [{low},\N{NO-BREAK SPACE}{high}]"


def pairs(content: Mapping[str, Any], form: str = "{}") -> list[tuple[str, str]]:
    """Returns names and values as text; empty values are left out."""
    return [
        (key.replace("_", " "), form.format(value) if form != "{}" else number(value))
        for key, value in content.items()
        if value not in (None, "", {}, [])
    ]


def score_table(report: EvalReport) -> Table:
    """Returns head and rows: the score, this run, each baseline, and the difference to it."""
    differences = {(c.against, c.score): signed(c.difference) for c in report.comparisons}
    head = ["score", "this run"]
    for baseline in report.baselines:
        head += [baseline.title, "difference"]
    body = []
    for score, estimate in report.scores.items():
        row = [words(score), together(estimate)]
        for baseline in report.baselines:
            row += [
                together(baseline.scores.get(score)),
                differences.get((baseline.name, score), "–"),
            ]
        body.append(row)
    return {"head": head, "body": body}


def split_table(data: Mapping[str, Any]) -> Table | None:
    """Returns texts and groups of each split, from the `data` of a record."""
    splits, groups = data.get("splits"), data.get("groups")
    if not isinstance(splits, Mapping):
        return None
    head = ["split", "texts"] + (["groups"] if isinstance(groups, Mapping) else [])
    body = [
        [name, number(rows)] + ([number(groups.get(name))] if isinstance(groups, Mapping) else [])
        for name, rows in splits.items()
    ]
    return {"head": head, "body": body}


def class_table(report: EvalReport) -> Table:
    """Returns precision, recall, F1 and number of texts of each class."""
    names = list(report.per_class)
    body = [
        [label, *(_score_of(report, name, label) for name in names), f"{report.support[label]:,}"]
        for label in report.classes
    ]
    return {"head": ["class", *(words(name) for name in names), "texts"], "body": body}


def _score_of(report: EvalReport, name: str, label: str) -> str:
    value = report.per_class[name].get(label)
    return "–" if value is None else f"{value:.3f}"


def curve_table(record: RunRecord) -> Table | None:
    """Returns the primary score at each training-set size, beside the baselines."""
    if not record.learning_curve or record.report is None:
        return None
    score = record.report.primary
    points = sorted(record.learning_curve, key=lambda point: point.train_rows)
    titles = {b.name: b.title for point in points for b in point.baselines}
    head = ["training texts", "per class", f"{words(score)}, this run"]
    for title in titles.values():
        head += [title, "difference"]
    body = []
    for point in points:
        budget = "all" if point.train_per_class is None else str(point.train_per_class)
        row = [f"{point.train_rows:,}", budget, together(point.scores.get(score))]
        for name in titles:
            theirs = (b.scores.get(score) for b in point.baselines if b.name == name)
            apart = (
                c.difference for c in point.comparisons if (c.against, c.score) == (name, score)
            )
            row += [together(next(theirs, None)), signed(next(apart, None))]
        body.append(row)
    return {"head": head, "body": body}
