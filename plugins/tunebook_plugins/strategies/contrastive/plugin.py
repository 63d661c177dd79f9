"""`contrastive`: pairs of texts tune the encoder, then a head is fitted; for few labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, Tags, hookimpl


class ContrastiveConfig(PluginConfig):
    """Pulls texts of one class together and others apart, then puts a head on what came of it.

    These fields are about the stage of pairs; `training` is about the task stage that follows.
    """

    kind: Literal["contrastive"] = "contrastive"
    pairs_per_text: int = Field(
        20,
        ge=2,
        le=10_000,
        description=(
            "Pairs drawn for each text: half with a text of its class, half with one of another."
        ),
    )
    epochs: float = Field(1.0, gt=0, le=100, description="Passes over the pairs.")
    max_steps: int | None = Field(
        1000, ge=1, description="Upper bound of optimiser steps; null for none."
    )
    batch_size: int = Field(32, ge=1, description="Pairs in one step on one device.")
    learning_rate: float = Field(4e-5, gt=0, le=10, description="Peak rate of the encoder.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps with a rising rate.")
    loss: Literal["cosine", "margin"] = Field(
        "cosine",
        description=(
            "`cosine`: squared distance of the cosine from 1 in a pair of one class, else from 0. "
            "`margin`: other classes only have to stay below `margin` (Hadsell et al. 2006)."
        ),
    )
    margin: float = Field(
        0.5, ge=-1, lt=1, description="Cosine below which other classes are left alone (`margin`)."
    )
    embeddings: Literal["train", "freeze"] = Field(
        "train", description="Whether the lookup tables of words and positions learn too."
    )
    head_c: float = Field(
        0.01, gt=0, description="Inverse regularisation strength of the head's logistic regression."
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "contrastive",
        "Few labels: pairs of texts tune the encoder, then a head is fitted on it.",
        ContrastiveConfig,
        "tunebook_plugins.strategies.contrastive.impl:Contrastive",
        tags=Tags(
            tasks=("text_classification",), forms=("linear",), fits_head=True, multitask=False
        ),
        training={
            "epochs": 1,
            "learning_rate": 1e-5,
            "head_learning_rate": 1e-4,
        },
        paper="Tunstall et al. 2022, arXiv:2209.11055",
        when="With a handful of labels for each class; with more, full fine-tuning is better.",
        cost="A stage of pairs before the task stage, whose time grows with the number of pairs.",
    )
