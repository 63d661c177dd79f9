"""`krippendorff_alpha`: agreement beyond chance between labels and predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import MetricPlugin, hookimpl

api = 1


class AlphaConfig(PluginConfig):
    """Alpha has no settings: classes have no order."""

    kind: Literal["krippendorff_alpha"] = Field(
        "krippendorff_alpha", description="Agreement beyond chance."
    )


@hookimpl
def tunebook_metrics() -> Iterator[MetricPlugin]:
    yield MetricPlugin(
        "krippendorff_alpha",
        "Krippendorff's alpha between labels and predictions, as between two raters.",
        AlphaConfig,
        "tunebook_alpha.impl:Alpha",
        requires=("krippendorff",),
        install="pip install tunebook-alpha",
        scores=("alpha",),
    )
