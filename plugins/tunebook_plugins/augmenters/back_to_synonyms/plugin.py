"""Other words for the same thing, from a table of synonyms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import AugmenterPlugin, hookimpl


class BackToSynonymsConfig(PluginConfig):
    """The table is that of the data source, or a file's."""

    kind: Literal["back_to_synonyms"] = "back_to_synonyms"
    share: float = Field(1.0, ge=0, le=5, description="New rows for each training row.")
    path: str | None = Field(
        None,
        min_length=1,
        description=(
            "CSV with the columns term and synonym, or JSON with terms and lists of synonyms; "
            "null takes the table of the data source."
        ),
    )
    match: Literal["both", "whole", "phrases"] = Field(
        "both",
        description="Replace whole texts, phrases inside them, or phrases where no whole matches.",
    )
    max_replacements: int = Field(2, ge=1, le=100, description="Most phrases replaced in a text.")


@hookimpl
def tunebook_augmenters() -> Iterator[AugmenterPlugin]:
    yield AugmenterPlugin(
        "back_to_synonyms",
        "Replaces terms by synonyms from a table.",
        BackToSynonymsConfig,
        "tunebook_plugins.augmenters.back_to_synonyms.impl:BackToSynonyms",
    )
