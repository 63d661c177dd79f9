"""`local` and `hub`: any folder, any name on the hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import ModelPlugin, hookimpl


class LocalModelConfig(PluginConfig):
    """A folder with config.json, safetensors weights and a fast tokenizer."""

    kind: Literal["local"] = "local"
    path: str = Field(min_length=1, description="Folder of the model.")


class HubModelConfig(PluginConfig):
    """A model on the hub, fetched once and kept in the hub's cache."""

    kind: Literal["hub"] = "hub"
    name: str = Field(
        pattern=r"^[\w.-]+(/[\w.-]+)?$", description="Repository, such as `google/bert-base`."
    )
    revision: str | None = Field(None, description="Commit, tag or branch; pin a commit.")


@hookimpl
def tunebook_models() -> Iterator[ModelPlugin]:
    yield ModelPlugin(
        "local",
        "A model in a local folder.",
        LocalModelConfig,
        "tunebook_plugins.models.pretrained.impl:LocalModel",
    )
    yield ModelPlugin(
        "hub",
        "A model on the Hugging Face hub.",
        HubModelConfig,
        "tunebook_plugins.models.pretrained.impl:HubModel",
    )
