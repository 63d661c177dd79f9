"""The adapted backbone as a folder of transformers, for strategies that change its own weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

MERGED = "merged"
"""Folder, inside that of an adapter, of the backbone that the adapter was folded into."""


def save_backbone(model: nn.Module) -> Callable[[Path], None]:
    """Returns what `Prepared.export` takes: it writes the backbone of `model` into a folder."""

    def export(folder: Path) -> None:
        model.backbone.save_pretrained(str(folder))

    return export
