"""One small plugin of every kind that keeps its contract; the broken ones are changes of these."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

import tiny
from tunebook.config import PluginConfig
from tunebook.contracts import Card, MetricResult, ModelFiles, Prepared, SourceData
from tunebook.specs import (
    AugmenterPlugin,
    CasePlugin,
    DataSourcePlugin,
    Descriptor,
    MetricPlugin,
    ModelPlugin,
    StrategyPlugin,
    Tags,
)

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "medical_coding.ipynb"
CASE = """
name: sound
data: {kind: memory, rows: [{text: a, label: b}]}
model: {kind: local, path: somewhere}
strategy: full
metrics: [f1]
"""


class Plugin:
    def __init__(self, config: Any) -> None:
        self.config = config


class BiasesConfig(PluginConfig):
    kind: Literal["biases"] = "biases"


class Biases(Plugin):
    """Trains biases and the head."""

    def trains(self, name: str, context: Any) -> bool:
        return context.is_head(name) or name.endswith("bias")

    def prepare(self, model: Any, context: Any) -> Prepared:
        for name, parameter in model.named_parameters():
            parameter.requires_grad = self.trains(name, context)
        return Prepared(model, context.groups(model))


class HitsConfig(PluginConfig):
    kind: Literal["hits"] = "hits"


class Hits(Plugin):
    """Share of texts that are right."""

    def value(self, predictions: Any, rows: Any) -> float:
        return float((predictions.targets == predictions.predicted)[rows].mean())

    def compute(self, predictions: Any) -> MetricResult:
        return MetricResult({"hits": self.value(predictions, np.arange(len(predictions.targets)))})

    def resample(self, predictions: Any, draws: Any) -> dict[str, Any]:
        return {"hits": np.array([self.value(predictions, draw) for draw in draws])}


class ShoutConfig(PluginConfig):
    kind: Literal["shout"] = "shout"


class Shout(Plugin):
    """Writes one of the words in capitals."""

    def augment(self, text: str, context: Any) -> str | None:
        words = text.split()
        if not words:
            return None
        place = int(context.rng.integers(len(words)))
        words[place] = words[place].upper()
        shouted = " ".join(words)
        return None if shouted == text else shouted


class ShelfConfig(PluginConfig):
    kind: Literal["shelf"] = "shelf"


class Shelf(Plugin):
    """Rows made in code."""

    card = Card("Shelf", "Rows made in code.", "CC0-1.0", "by row")

    def rows(self) -> pd.DataFrame:
        return pd.DataFrame(tiny.rows(30))

    def load(self) -> SourceData:
        return SourceData(self.rows(), self.card, self.synonyms())

    def synonyms(self) -> dict[str, list[str]]:
        return {"heart": ["cardiac organ"]}


class TinyConfig(PluginConfig):
    kind: Literal["tiny"] = "tiny"
    path: str = Field("", description="Folder of the model.")


class Tiny(Plugin):
    """The folder that its config names."""

    def files(self) -> ModelFiles:
        folder = Path(self.config.path)
        return ModelFiles(self.config.path, folder=folder)


def descriptors(folder: Path) -> dict[str, Descriptor]:
    """Returns a sound plugin of every kind; `folder` is for the files of the case."""
    (folder / "case.yaml").write_text(CASE)
    here = __name__
    bert = Tags(architectures=("bert",))
    return {
        "strategy": StrategyPlugin(
            "biases",
            "Biases.",
            BiasesConfig,
            f"{here}:Biases",
            tags=bert,
            paper="Nobody 2026",
            when="In tests.",
            cost="Next to nothing.",
        ),
        "metric": MetricPlugin("hits", "Hits.", HitsConfig, f"{here}:Hits", scores=("hits",)),
        "augmenter": AugmenterPlugin("shout", "Shouts.", ShoutConfig, f"{here}:Shout"),
        "datasource": DataSourcePlugin("shelf", "A shelf.", ShelfConfig, f"{here}:Shelf"),
        "model": ModelPlugin("tiny", "A tiny model.", TinyConfig, f"{here}:Tiny"),
        "case": CasePlugin("sound", "A sound case.", folder / "case.yaml", NOTEBOOK),
    }
