"""Metrics of regression: what they are called and what they report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import MetricPlugin, hookimpl

IMPL = "tunebook_plugins.metrics.regression.impl"


class MaeConfig(PluginConfig):
    """The mean absolute error has no settings."""

    kind: Literal["mae"] = Field("mae", description="Mean absolute error.")


class RmseConfig(PluginConfig):
    """The root mean squared error has no settings."""

    kind: Literal["rmse"] = Field("rmse", description="Root mean squared error.")


class R2Config(PluginConfig):
    """R² has no settings."""

    kind: Literal["r2"] = Field("r2", description="Share of the variance that is explained.")


class PearsonConfig(PluginConfig):
    """Pearson's correlation has no settings."""

    kind: Literal["pearson"] = Field("pearson", description="Linear correlation.")


class SpearmanConfig(PluginConfig):
    """Spearman's correlation has no settings."""

    kind: Literal["spearman"] = Field("spearman", description="Correlation of ranks.")


@hookimpl
def tunebook_metrics() -> Iterator[MetricPlugin]:
    metrics = (
        ("mae", "Mean absolute error, in the unit of the data.", MaeConfig, "Mae", True),
        ("rmse", "Root mean squared error, in the unit of the data.", RmseConfig, "Rmse", True),
        ("r2", "Share of the variance explained; 0 for always the mean.", R2Config, "R2", False),
        ("pearson", "Linear correlation with the targets.", PearsonConfig, "Pearson", False),
        ("spearman", "Correlation of ranks with the targets.", SpearmanConfig, "Spearman", False),
    )
    for name, summary, config, factory, lower in metrics:
        yield MetricPlugin(
            name,
            summary,
            config,
            f"{IMPL}:{factory}",
            scores=(name,),
            tasks=("regression",),
            lower_is_better=(name,) if lower else (),
        )
