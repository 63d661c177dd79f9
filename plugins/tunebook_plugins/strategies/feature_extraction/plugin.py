"""`feature_extraction`: the backbone stays as it is, only the head learns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl


class FeatureExtractionConfig(PluginConfig):
    """Trains the head on features of the frozen backbone, which are computed once and cached."""

    kind: Literal["feature_extraction"] = "feature_extraction"


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "feature_extraction",
        "Frozen backbone: its outputs are computed once, the head learns on the cache.",
        FeatureExtractionConfig,
        "tunebook_plugins.strategies.feature_extraction.impl:FeatureExtraction",
        tags=Tags(frozen_backbone=True, forms=("linear",)),
        training={
            "epochs": 30,
            "learning_rate": 3e-3,
            "batch_size": 64,
            "weight_decay": 0.01,
        },
        paper="Peters et al. 2019, arXiv:1903.05987",
        when=(
            "For a first result, for very little time, or when the domain is close to the "
            "pretrained one."
        ),
        cost="The least: one pass over the texts, then a linear layer on what is cached of it.",
    )
