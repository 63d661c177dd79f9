"""Rows that are written into the case, or given from Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import DataSourcePlugin, hookimpl


class MemoryConfig(PluginConfig):
    """Rows in JSON types, such as ``[{"text": "…", "label": "…"}]``."""

    kind: Literal["memory"] = "memory"
    rows: tuple[dict[str, Any], ...] = Field(
        max_length=1_000_000, description="The rows, each a mapping of column names to values."
    )
    title: str = Field("rows in memory", description="Name of the data for the report.")
    licence: str = Field("", description="Licence of the data, for the report.")


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin(
        "memory",
        "Rows given from Python or in the case itself.",
        MemoryConfig,
        "tunebook_plugins.datasources.memory.impl:MemorySource",
    )
