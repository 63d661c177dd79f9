"""Software licence texts with their category as label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.contracts import Card
from tunebook.specs import DataSourcePlugin, hookimpl

CARD = Card(
    title="Software licence texts (ScanCode LicenseDB)",
    description=(
        "Full texts of software licences, labelled with the category that ScanCode's curators "
        "gave them (Permissive, Copyleft, Proprietary Free, …). Long and imbalanced. Left out: "
        "texts below 50 characters, generic placeholders, texts whose words repeat another one, "
        "and categories with fewer than 17 texts."
    ),
    licence="CC-BY-4.0 (nexB Inc. and others)",
    how_split=(
        "as the case's `split` says: by family (column `group`, also `family`), so that licences "
        "whose names have one stem or whose texts share 70 % of their five-word phrases stay "
        "together, for a third of the texts have such a near copy; or by licence alone (`key`)"
    ),
    source="licensedcode-data",
)


class LicencesConfig(PluginConfig):
    """The defaults give 2,251 texts in 10 categories."""

    kind: Literal["licences"] = "licences"
    min_characters: int = Field(50, ge=1, le=10_000, description="Shorter texts are left out.")
    min_per_category: int = Field(
        17, ge=1, le=1000, description="Categories with fewer texts are left out."
    )
    family_similarity: float = Field(
        0.7,
        gt=0,
        le=1,
        description="Share of common five-word phrases (Jaccard) that makes two texts a family.",
    )


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin(
        "licences",
        "Software licence texts by category.",
        LicencesConfig,
        "tunebook_plugins.datasources.licences.impl:LicencesSource",
        requires=("licensedcode",),
        install='pip install "tunebook[offline]"',
        card=CARD,
    )
