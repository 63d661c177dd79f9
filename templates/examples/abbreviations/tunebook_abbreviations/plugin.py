"""`abbreviations`: training texts as somebody in a hurry writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import AugmenterPlugin, hookimpl

api = 1

CLINICAL = {
    "acute": "ac",
    "bilateral": "bilat",
    "chronic": "chr",
    "diagnosis": "dx",
    "fracture": "fx",
    "history": "hx",
    "left": "lt",
    "right": "rt",
    "severe": "sev",
    "unspecified": "unsp",
    "with": "w/",
    "without": "w/o",
}


class AbbreviationsConfig(PluginConfig):
    """Words are replaced whole, whatever their case."""

    kind: Literal["abbreviations"] = "abbreviations"
    share: float = Field(1.0, ge=0, le=5, description="New rows for each training row.")
    probability: float = Field(0.7, gt=0, le=1, description="That a known word is shortened.")
    table: dict[str, str] = Field(
        CLINICAL, min_length=1, description="Abbreviations by word, in lower case."
    )


@hookimpl
def tunebook_augmenters() -> Iterator[AugmenterPlugin]:
    yield AugmenterPlugin(
        "abbreviations",
        "Shortens words by a table of abbreviations.",
        AbbreviationsConfig,
        "tunebook_abbreviations.impl:Abbreviations",
    )
