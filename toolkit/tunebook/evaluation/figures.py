"""Pictures of data, training and result: no pyplot, no global state, safe in any thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

from tunebook.config import MEAN
from tunebook.evaluation.canvas import (
    BLUE,
    GREEN,
    ORANGE,
    Picture,
    canvas,
    legend_or_empty,
    plain,
    save_figure,
    short,
    title,
    to_png,
    without_font_warnings,
)
from tunebook.evaluation.wording import words
from tunebook.records import CurvePoint, Estimate, EvalReport

__all__ = [
    "class_balance",
    "confusion_heatmap",
    "learning_curve",
    "per_class_f1",
    "save_figure",
    "text_lengths",
    "to_png",
    "training_curves",
]

SPLIT_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
MOST_BARS = 60
MOST_CELLS_WITH_NUMBERS = 20


FAVOURITES = ("macro_f1", "accuracy", "roc_auc")
"""Scores that are shown first."""


def confusion_heatmap(report: EvalReport) -> Figure:
    """Shows which classes are taken for which; a row adds up to all texts of its class.

    Raises:
        ValueError: The report has no confusion matrix.
    """
    if report.confusion is None:
        raise ValueError("the report has no confusion matrix; add the metric `confusion_matrix`")
    counts = np.array(report.confusion)
    k = len(report.classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [short(name) for name in report.classes] if k <= MOST_BARS else False
    upright = names and k * max(map(len, names)) > 24
    for_names = 0.065 * max(map(len, names)) if names else 0
    width, height = (min(max(size * k, 2.5), 12) for size in (0.42, 0.38))
    figure, axes = canvas(2.2 + for_names + width, 1.2 + (for_names if upright else 0) + height)
    few = k <= MOST_CELLS_WITH_NUMBERS
    with without_font_warnings():
        sns.heatmap(
            shares,
            ax=axes,
            vmin=0,
            vmax=1,
            cmap="Blues",
            annot=_cell_texts(counts) if few else False,
            fmt="",
            annot_kws={"fontsize": 8},
            linewidths=0.5 if few else 0,
            cbar_kws={"format": PercentFormatter(1), "shrink": 0.8},
            xticklabels=names,
            yticklabels=names,
        )
    axes.tick_params(length=0, labelsize=8)
    axes.tick_params(axis="x", rotation=90 if upright else 0)
    axes.tick_params(axis="y", rotation=0)
    axes.set(xlabel="predicted", ylabel="true")
    right = counts.trace() / max(counts.sum(), 1)
    title(
        axes,
        f"{right:.0%} of {report.rows:,} {report.split} texts are right (shade: share of the row)",
    )
    return figure


def per_class_f1(report: EvalReport) -> Figure:
    """Shows the F1 of every class, the best on top, with its number of texts.

    Raises:
        ValueError: The report has no F1 per class.
    """
    if "f1" not in report.per_class:
        raise ValueError("the report has no F1 per class; add the metric `f1`")
    by_class = {c: v for c, v in report.per_class["f1"].items() if report.support.get(c, 0) > 0}
    shown = sorted(by_class, key=by_class.__getitem__)[:MOST_BARS]
    values = [by_class[name] for name in shown]
    figure, axes = canvas(8, 1.3 + 0.27 * max(len(shown), 2))
    axes.barh(range(len(shown)), values, color=BLUE, height=0.7)
    for place, name in enumerate(shown):
        axes.text(
            values[place] + 0.01,
            place,
            f"{values[place]:.2f}  ({report.support[name]:,})",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(shown)), [short(name) for name in shown], fontsize=8)
    axes.set(xlim=(0, 1.15), xlabel="F1 (in brackets: texts of the class)")
    axes.set_xticks(np.arange(0, 1.01, 0.2))
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.01)
    some = "" if len(shown) == len(by_class) else f", the {len(shown)} lowest of {len(by_class)}"
    title(axes, f"F1 of each class on the {report.split} split{some}")
    return figure


def training_curves(events: Sequence[Mapping[str, Any]], primary: str | None = None) -> Figure:
    """Shows the training loss and the validation scores over the steps.

    Args:
        events: Lines of `events.jsonl`.
        primary: The score that choices were made on, drawn first.
    """
    steps = [e for e in events if e.get("type") == "step" and e.get("loss") is not None]
    evaluations = [e for e in events if e.get("type") == "evaluation"]
    figure = Picture(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        plain(axes)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    _loss(left, [(e["step"], e["loss"]) for e in steps])
    _curve(left, _over_steps(evaluations, "loss"), "validation", ORANGE)
    left.set_ylim(bottom=0)
    title(left, "Loss")
    names = _shown_scores(evaluations, primary)
    for name, colour in zip(names, (BLUE, ORANGE, GREEN), strict=False):
        _curve(right, _over_steps(evaluations, name), words(name), colour)
    _mark_best(right, evaluations, names)
    title(right, "Scores on the validation split")
    for axes in (left, right):
        legend_or_empty(axes, "not recorded")
    return figure


def stage_losses(events: Sequence[Mapping[str, Any]]) -> Figure:
    """Shows the loss of each stage before the task's, such as pretraining, over its steps.

    Args:
        events: Lines of `events.jsonl`, some of them of a stage.
    """
    steps = [e for e in events if e.get("type") == "stage_step" and e.get("loss") is not None]
    names = list(dict.fromkeys(e["stage"] for e in steps))
    figure = Picture(figsize=(4.5 * len(names), 3.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        plain(axes)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _loss(axes, [(e["step"], e["loss"]) for e in steps if e["stage"] == name])
        title(axes, f"Loss: {words(name)}")
    return figure


def learning_curve(points: Sequence[CurvePoint], primary: str) -> Figure:
    """Shows a score over the number of training texts, beside TF-IDF, with interval bands."""
    figure, axes = canvas(7.5, 4.4)
    ordered = sorted(points, key=lambda point: point.train_rows)
    ours = [(p.train_rows, p.scores[primary]) for p in ordered if primary in p.scores]
    _band(axes, ours, "this run", BLUE)
    tfidf = [
        (point.train_rows, baseline.scores[primary])
        for point in ordered
        for baseline in point.baselines
        if baseline.name == "tfidf" and primary in baseline.scores
    ]
    _band(axes, tfidf, _baseline_title(ordered, "tfidf"), ORANGE)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([p.train_rows for p in ordered]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([_point_label(p) for p in ordered])
    axes.margins(x=0.08)
    axes.set(xlabel="training texts (log scale)", ylabel=words(primary))
    title(axes, f"{words(primary)} by the number of training texts")
    legend_or_empty(axes, "no points")
    return figure


def class_balance(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Shows how many texts each class has in each split, the largest on top.

    Args:
        counts: By class, then by split, a number of texts.
    """
    total = {name: sum(by_split.values()) for name, by_split in counts.items()}
    shown = sorted(total, key=total.__getitem__)[-MOST_BARS:]
    splits = list(dict.fromkeys(split for by_split in counts.values() for split in by_split))
    figure, axes = canvas(8, 1.5 + 0.27 * max(len(shown), 2))
    left = np.zeros(len(shown))
    for split, spare in zip(splits, sns.color_palette("colorblind", len(splits)), strict=True):
        widths = np.array([counts[name].get(split, 0) for name in shown], dtype=float)
        colour = SPLIT_COLOURS.get(split, spare)
        axes.barh(range(len(shown)), widths, left=left, color=colour, height=0.7, label=split)
        left += widths
    for place, name in enumerate(shown):
        axes.text(left[place], place, f" {total[name]:,}", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [short(name) for name in shown], fontsize=8)
    axes.set(xlabel="texts", xlim=(0, max([*left, 1]) * 1.1))
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.01)
    some = "" if len(shown) == len(total) else f", the {len(shown)} largest of {len(total)}"
    title(axes, f"Texts of each class{some}")
    above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": max(len(splits), 1)}
    legend_or_empty(axes, "no texts", borderpad=0, **above)
    return figure


def text_lengths(lengths: Sequence[int], max_tokens: int) -> Figure:
    """Shows how long texts are in tokens, and how many are longer than the model will see."""
    values = np.asarray(lengths, dtype=float)
    figure, axes = canvas(7, 3.2)
    if len(values):
        end = max(float(np.quantile(values, 0.99)), max_tokens) * 1.05
        step = max(1, round(end / 60))  # whole tokens, or some bars would hold one more than others
        edges = np.arange(0, end + 2 * step, step)
        axes.hist(np.clip(values, 0, edges[-2]), bins=edges.tolist(), color=BLUE)
    axes.axvline(max_tokens, color=ORANGE, linewidth=2, label=f"max_tokens = {max_tokens}")
    axes.set(xlabel="tokens (the last bar holds all that are longer)", ylabel="texts")
    share = float((values > max_tokens).mean()) if len(values) else 0.0
    title(axes, f"{share:.1%} of {len(values):,} texts are longer than {max_tokens} tokens")
    legend_or_empty(axes, "no texts")
    return figure


def _cell_texts(counts: np.ndarray) -> np.ndarray:
    return np.array([[f"{cell:.0f}" if cell else "" for cell in row] for row in counts])


def _over_steps(evaluations: Sequence[Mapping[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(e["step"], e["scores"][name]) for e in evaluations if name in e.get("scores", {})]


def _shown_scores(evaluations: Sequence[Mapping[str, Any]], primary: str | None) -> list[str]:
    recorded = dict.fromkeys(name for e in evaluations for name in e.get("scores", {}))
    # of several tasks, the score of each by which they are best compared
    alike = [name for own in FAVOURITES for name in recorded if name.rpartition(".")[2] == own]
    wanted = [primary, MEAN, *alike, *recorded]
    return [name for name in dict.fromkeys(wanted) if name in recorded and name != "loss"][:3]


def _mark_best(axes: Axes, evaluations: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    best = _over_steps([e for e in evaluations if e.get("best")], names[0]) if names else []
    if best:
        axes.plot(
            *best[-1], "o", markersize=11, color=BLUE, fillstyle="none", label="best so far", ls=""
        )


def _loss(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Draws the loss of each report faintly, and a running mean over it."""
    window = max(1, len(points) // 12)
    if window < 3:
        return _curve(axes, points, "training", BLUE)
    steps, losses = np.array(points, dtype=float).T
    axes.plot(steps, losses, color=BLUE, alpha=0.3, linewidth=0.8)
    mean = np.convolve(losses, np.ones(window) / window, mode="valid")
    return _curve(axes, list(zip(steps[window - 1 :], mean, strict=True)), "training", BLUE)


def _curve(axes: Axes, points: Sequence[tuple[float, float]], label: str, colour: str) -> None:
    if points:
        mark = "." if len(points) < 40 else ""
        axes.plot(*zip(*points, strict=True), color=colour, label=label, marker=mark)


def _band(axes: Axes, points: Sequence[tuple[int, Estimate]], label: str, colour: str) -> None:
    if not points:
        return
    x = [rows for rows, _ in points]
    axes.plot(x, [e.value for _, e in points], color=colour, marker="o", label=label)
    low, high = [e.low for _, e in points], [e.high for _, e in points]
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.vlines(x, low, high, color=colour, alpha=0.5, linewidth=1)


def _baseline_title(points: Sequence[CurvePoint], name: str) -> str:
    return next((b.title for p in points for b in p.baselines if b.name == name), name)


def _point_label(point: CurvePoint) -> str:
    budget = "all" if point.train_per_class is None else f"{point.train_per_class} per class"
    return f"{point.train_rows:,}\n{budget}"
