"""Passages about licences in source code, with two labels: what they are, and of which licence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.contracts import Card
from tunebook.specs import DataSourcePlugin, hookimpl

CARD = Card(
    title="Licence rules (ScanCode)",
    description=(
        "Passages by which ScanCode finds licences in source code, with two labels from its "
        "curators: the type of the clause (text, notice, reference, tag) and the category of the "
        "licence that it is about. Left out: passages about several licences or about none, "
        "deprecated ones, labels that too few licences have, and of a licence with very many "
        "passages all but an even selection."
    ),
    licence="CC-BY-4.0 (nexB Inc. and others)",
    how_split=(
        "by licence (column `group`): all passages about one licence stay together. Versions of a "
        "licence (gpl-2.0, gpl-3.0) are licences of their own and share words; the column "
        "`family` has them together for a harder split"
    ),
    source="licensedcode-data",
)


class LicenceRulesConfig(PluginConfig):
    """Labels: column `type` has the type of the clause, `category` that of its licence."""

    kind: Literal["licence_rules"] = "licence_rules"
    min_characters: int = Field(10, ge=1, le=10_000, description="Shorter passages are left out.")
    min_licences: int = Field(
        20,
        ge=1,
        le=1000,
        description="Labels that fewer licences have are left out: no split could do with them.",
    )
    max_per_licence: int | None = Field(
        30,
        ge=1,
        description=(
            "Most passages about one licence, evenly spread over the names of the rules: mit alone "
            "has 1,500, which no split by licence could balance. Null for all."
        ),
    )


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin(
        "licence_rules",
        "Passages about licences by type of clause and by category of the licence.",
        LicenceRulesConfig,
        "tunebook_plugins.datasources.licence_rules.impl:LicenceRulesSource",
        requires=("licensedcode",),
        install='pip install "tunebook[offline]"',
        card=CARD,
    )
