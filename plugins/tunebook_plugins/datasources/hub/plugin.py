"""Data sets of the Hugging Face hub, or of a local folder in its layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import DataSourcePlugin, hookimpl


class HubDataConfig(PluginConfig):
    """A data set as `datasets.load_dataset` knows it."""

    kind: Literal["hub"] = "hub"
    name: str = Field(min_length=1, description="Name, such as `fancyzhx/ag_news`, or a folder.")
    subset: str | None = Field(None, description="Configuration of the data set, if it has some.")
    revision: str | None = Field(None, description="Tag, branch or commit; null for the newest.")
    splits: tuple[str, ...] = Field(
        (), description="Splits of the hub to read, in order; empty for all of them."
    )


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin(
        "hub",
        "A data set of the Hugging Face hub; its splits are in the column `split`.",
        HubDataConfig,
        "tunebook_plugins.datasources.hub.impl:HubSource",
        requires=("datasets",),
        install="pip install datasets",
    )
