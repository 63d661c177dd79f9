"""Diagnosis texts of ICD-10-CM with the chapter (body system) as label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.contracts import Card
from tunebook.specs import DataSourcePlugin, hookimpl

CARD = Card(
    title="ICD-10-CM diagnosis texts",
    description=(
        "Descriptions of diagnosis codes and their inclusion terms (synonyms and examples), "
        "labelled with the chapter of the classification, which is mostly a body system. "
        "Texts that repeat another one, letter case aside, are left out."
    ),
    licence="US government work, public domain",
    how_split=(
        "by category, the first three characters of the code: descriptions of one category share "
        "their words, so a split by row would put near copies on both sides"
    ),
    source="simple-icd-10-cm (CDC/NCHS tabular list)",
)


class Icd10cmConfig(PluginConfig):
    """The defaults give 25,413 texts in 18 chapters."""

    kind: Literal["icd10cm"] = "icd10cm"
    last_chapter: int = Field(18, ge=2, le=22, description="Chapters from 1 up to this one.")
    max_code_length: int = Field(
        5, ge=3, le=6, description="Longest code, without its dot; longer ones repeat themselves."
    )
    inclusion_terms: bool = Field(True, description="Take inclusion terms as texts of their own.")


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin(
        "icd10cm",
        "ICD-10-CM diagnosis texts by chapter.",
        Icd10cmConfig,
        "tunebook_plugins.datasources.icd10cm.impl:Icd10cmSource",
        requires=("simple_icd_10_cm",),
        install='pip install "tunebook[offline]"',
        card=CARD,
    )
