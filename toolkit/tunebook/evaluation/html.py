"""The report of a run as one HTML file that needs no network, and no other file, to be read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tunebook.config import TaskConfig
from tunebook.evaluation.tables import (
    Table,
    class_table,
    curve_table,
    pairs,
    score_table,
    split_table,
)
from tunebook.evaluation.wording import (
    comparison_sentence,
    headline_sentence,
    resampling_sentence,
)
from tunebook.forms import TASK_FORMS
from tunebook.records import EvalReport, RunDirectory, RunRecord, write_atomically

FIGURES = {
    "classes": ("Classes", "Bars: number of texts of each class in each split."),
    "text_lengths": ("Text lengths", "Histogram: tokens of the texts and where they are cut."),
    "stages": ("Before the task", "Curves: loss of each stage before the task's, over its steps."),
    "training": ("Training", "Curves: training loss and validation scores over the steps."),
    "learning_curve": (
        "Learning curve",
        "Lines with interval bands: score over the number of training texts, beside TF-IDF.",
    ),
    "per_class_f1": ("Classes, one by one", "Bars: F1 of each class, the best on top."),
    "confusion": ("Confusion", "Heat map: true classes by predicted classes."),
    "predicted_true": (
        "Predicted against true",
        "Points: predicted over true numbers, beside the line on which they are equal.",
    ),
    "residuals": ("Residuals", "Points: how far predictions lie off, over what was predicted."),
}
"""By file name, the heading and the alternative text; others follow under their file name."""

LONGEST_EXAMPLE = 600


def write_report(
    run: RunDirectory,
    record: RunRecord,
    case: Mapping[str, Any],
    examples: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Writes `report.html` of a run, whatever its status.

    Args:
        run: The directory; the PNG files in its `figures/` become part of the report.
        record: What is reported. Its `data` may hold a `card`, `splits`, `groups` and `findings`.
        case: The case as JSON types.
        examples: Errors worth reading, each with the same columns, such as `text`, `label`,
            `predicted` and `confidence`.

    Returns:
        The file.

    Raises:
        MachineError: The folder cannot be written to or the disk is full.
    """
    page = _ENVIRONMENT.get_template("report.html.j2").render(
        record=record,
        report=record.report,
        title=case.get("title") or record.case,
        facts=_facts(record),
        tasks=[_task(run, name, each) for name, each in record.by_task().items() if name],
        headline=_headline(record.report) if record.report else [],
        score_table=score_table(record.report) if record.report else None,
        card=pairs(record.data.get("card") or {}),
        split_table=split_table(record.data),
        findings=_findings(record.data),
        trained=_trained(record),
        seconds=pairs(record.seconds, "{:,.1f} s"),
        figures=_figures(run.figures),
        per_class=class_table(record.report) if record.report else None,
        curve=curve_table(record),
        examples=_examples(examples),
        worst_first=_worst_first(case),
        settings=json.dumps(case, indent=2, ensure_ascii=False, default=str),
        versions=pairs({**record.versions, **record.plugins}),
    )
    write_atomically(run.report, page.encode("utf-8", "replace"))
    return run.report


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    started = datetime.fromtimestamp(record.started, UTC)
    return [
        ("run", record.run_id),
        ("case", record.case),
        ("strategy", record.strategy),
        ("seed", str(record.seed)),
        ("started", f"{started:%Y-%m-%d %H:%M} UTC"),
        ("status", record.status.replace("_", " ")),
    ]


def _task(run: RunDirectory, name: str, record: RunRecord) -> dict[str, Any]:
    """Returns what the report of several tasks says of one; the task has a report of its own."""
    return {
        "name": name,
        "headline": _headline(record.report) if record.report else [],
        "score_table": score_table(record.report) if record.report else None,
        "split_table": split_table(record.data),
        "figures": _figures(run.of_task(name).figures),
    }


def _headline(report: EvalReport) -> list[str]:
    sentences = [headline_sentence(report)]
    sentences += [
        comparison_sentence(report, comparison)
        for comparison in report.comparisons
        if comparison.score == report.primary
    ]
    return [*sentences, resampling_sentence(report)]


def _findings(data: Mapping[str, Any]) -> list[str]:
    return [
        str(finding.get("text", finding)) if isinstance(finding, Mapping) else str(finding)
        for finding in data.get("findings") or []
    ]


def _trained(record: RunRecord) -> list[tuple[str, str]]:
    counts, precision = record.parameters, record.precision
    told: dict[str, Any] = {f"model {key}": value for key, value in record.model.items()}
    if {"trainable", "total", "share"} <= counts.keys():
        told["trained"] = (
            f"{counts['trainable']:,} of {counts['total']:,} parameters ({counts['share']:.2%})"
        )
    if precision:
        told["precision"] = f"{precision.get('name', '?')}: {precision.get('why', '')}"
    if record.peak_memory_mb is not None:
        told["peak memory"] = f"{record.peak_memory_mb:,.0f} MB"
    return pairs({**told, **record.training, **record.hardware})


def _figures(folder: Path) -> list[dict[str, str]]:
    there = {path.stem: path for path in sorted(folder.glob("*.png"))}
    ordered = [name for name in FIGURES if name in there]
    ordered += [name for name in there if name not in FIGURES]
    return [_figure(name, there[name].read_bytes()) for name in ordered]


def _figure(name: str, content: bytes) -> dict[str, str]:
    heading, alternative = FIGURES.get(name, (name.replace("_", " "), f"Figure: {name}"))
    source = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return {"heading": heading, "alt": alternative, "source": source}


def _examples(examples: Sequence[Mapping[str, Any]]) -> Table | None:
    """Returns the columns that the examples have, long texts cut; None without examples."""
    if not examples:
        return None
    head = ["true" if name == "label" else name for name in examples[0]]
    return {"head": head, "body": [[*map(_cell, example.values())] for example in examples]}


def _worst_first(case: Mapping[str, Any]) -> str:
    """Returns what the examples are, in a sentence."""
    kind = (case.get("task") or {}).get("kind", TaskConfig().kind)
    return TASK_FORMS[kind].worst_first


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_EXAMPLE else value[: LONGEST_EXAMPLE - 1] + "…"
    return "–" if value is None else f"{value:.3g}"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
