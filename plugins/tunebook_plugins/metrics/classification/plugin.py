"""Metrics of classification: what they are called and what they report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import MetricPlugin, hookimpl

IMPL = "tunebook_plugins.metrics.classification.impl"
F1_SCORES = ("macro_f1", "weighted_f1", "macro_precision", "macro_recall")


class AccuracyConfig(PluginConfig):
    """Accuracy has no settings."""

    kind: Literal["accuracy"] = Field("accuracy", description="Share of texts that are right.")


class F1Config(PluginConfig):
    """F1 has no settings."""

    kind: Literal["f1"] = Field("f1", description="Precision, recall and F1.")


class RocAucConfig(PluginConfig):
    """ROC-AUC has no settings."""

    kind: Literal["roc_auc"] = Field("roc_auc", description="Area under the ROC curve.")


class ConfusionMatrixConfig(PluginConfig):
    """The confusion matrix has no settings."""

    kind: Literal["confusion_matrix"] = Field(
        "confusion_matrix", description="Counts of targets by predictions."
    )


@hookimpl
def tunebook_metrics() -> Iterator[MetricPlugin]:
    """Yields the four metrics."""
    yield MetricPlugin(
        "accuracy",
        "Share of texts whose class is predicted right.",
        AccuracyConfig,
        f"{IMPL}:Accuracy",
        scores=("accuracy",),
    )
    yield MetricPlugin(
        "f1",
        "Precision, recall and F1: macro, weighted and per class.",
        F1Config,
        f"{IMPL}:F1",
        scores=F1_SCORES,
        tasks=("text_classification", "multi_label"),
        scores_by_task={"multi_label": (*F1_SCORES, "micro_f1")},
    )
    yield MetricPlugin(
        "roc_auc",
        "Area under the ROC curve, one class against the rest, averaged over classes.",
        RocAucConfig,
        f"{IMPL}:RocAuc",
        scores=("roc_auc",),
        tasks=("text_classification", "multi_label"),
    )
    yield MetricPlugin(
        "confusion_matrix",
        "How often each class is taken for which other.",
        ConfusionMatrixConfig,
        f"{IMPL}:ConfusionMatrix",
    )
