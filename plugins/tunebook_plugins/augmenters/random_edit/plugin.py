"""Small random edits, such as a hurried hand makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import AugmenterPlugin, hookimpl


class RandomEditConfig(PluginConfig):
    """Each probability is per word, but for truncation; 0 turns an edit off."""

    kind: Literal["random_edit"] = "random_edit"
    share: float = Field(1.0, ge=0, le=5, description="New rows for each training row.")
    swap: float = Field(0.05, ge=0, le=1, description="Swap a word with the next one.")
    deletion: float = Field(0.05, ge=0, le=1, description="Leave a word out.")
    typo: float = Field(0.05, ge=0, le=1, description="Double, drop or transpose a letter.")
    whitespace: float = Field(
        0.02, ge=0, le=1, description="Join a word to the next one, or double the space."
    )
    truncation: float = Field(
        0.1, ge=0, le=1, description="Probability that a text loses its end, up to half of it."
    )
    min_words: int = Field(3, ge=2, le=100, description="Shorter texts are left alone.")


@hookimpl
def tunebook_augmenters() -> Iterator[AugmenterPlugin]:
    yield AugmenterPlugin(
        "random_edit",
        "Word swap, deletion, typo, whitespace and truncation.",
        RandomEditConfig,
        "tunebook_plugins.augmenters.random_edit.impl:RandomEdit",
    )
