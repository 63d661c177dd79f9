"""`mbox`: mails with a label in a header, grouped by conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import DataSourcePlugin, hookimpl

api = 1


class MboxConfig(PluginConfig):
    """Reads what mail programs export as mbox."""

    kind: Literal["mbox"] = "mbox"
    path: str = Field(min_length=1, description="The mbox file.")
    header: str = Field("X-Label", min_length=1, description="Header that holds the label.")


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin(
        "mbox",
        "Mails of an mbox file, grouped by conversation.",
        MboxConfig,
        "tunebook_mbox.impl:Mbox",
    )
