"""A metric whose module imports numpy before anything is computed."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tunebook.config import PluginConfig
from tunebook.contracts import MetricResult
from tunebook.specs import MetricPlugin, hookimpl


class HeavyConfig(PluginConfig):
    kind: Literal["heavy"] = "heavy"


@hookimpl
def tunebook_metrics():
    yield MetricPlugin(
        "heavy", "Share of hits.", HeavyConfig, f"{__name__}:Heavy", scores=("heavy",)
    )


class Heavy:
    def __init__(self, config) -> None:
        self.config = config

    def compute(self, predictions) -> MetricResult:
        return MetricResult({"heavy": float(np.mean(predictions.targets == predictions.predicted))})

    def resample(self, predictions, draws):
        hits = predictions.targets == predictions.predicted
        return {"heavy": np.array([hits[draw].mean() for draw in draws])}
