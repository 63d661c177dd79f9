"""Metrics of multi-label classification alone: what they are called and what they report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import MetricPlugin, hookimpl

IMPL = "tunebook_plugins.metrics.multi_label.impl"


class SubsetAccuracyConfig(PluginConfig):
    """Subset accuracy has no settings."""

    kind: Literal["subset_accuracy"] = Field(
        "subset_accuracy", description="Share of texts whose classes are all right."
    )


class HammingLossConfig(PluginConfig):
    """The Hamming loss has no settings."""

    kind: Literal["hamming_loss"] = Field(
        "hamming_loss", description="Share of wrong decisions about a class of a text."
    )


class AveragePrecisionConfig(PluginConfig):
    """The average precision has no settings."""

    kind: Literal["average_precision"] = Field(
        "average_precision", description="Area under the precision-recall curve."
    )


@hookimpl
def tunebook_metrics() -> Iterator[MetricPlugin]:
    yield MetricPlugin(
        "subset_accuracy",
        "Share of texts whose set of classes is predicted exactly.",
        SubsetAccuracyConfig,
        f"{IMPL}:SubsetAccuracy",
        scores=("subset_accuracy",),
        tasks=("multi_label",),
    )
    yield MetricPlugin(
        "hamming_loss",
        "Share of all decisions about a class of a text that are wrong.",
        HammingLossConfig,
        f"{IMPL}:HammingLoss",
        scores=("hamming_loss",),
        tasks=("multi_label",),
        lower_is_better=("hamming_loss",),
    )
    yield MetricPlugin(
        "average_precision",
        "Area under the precision-recall curve, averaged over classes.",
        AveragePrecisionConfig,
        f"{IMPL}:AveragePrecision",
        scores=("average_precision",),
        tasks=("multi_label",),
    )
