"""Adapters written as the adapters library writes them, without pickles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from adapters.composition import Fuse
from adapters.loading import AdapterLoader
from safetensors.torch import save_file
from torch import nn

from tunebook_plugins.native import MERGED
from tunebook_plugins.strategies.adapter.earlier import CONFIG, WEIGHTS
from tunebook_plugins.strategies.adapter.merging import each_once, save_merged


def export_adapters(
    backbone: nn.Module,
    trained: Sequence[str | Fuse],
    earlier: Sequence[str],
    folder: Path,
    *,
    merge: bool = False,
) -> None:
    """Writes what was trained, and beside it, by name, what was taken from elsewhere.

    Args:
        backbone: Holds the adapters.
        trained: Names of the trained adapters, or the fusions that were trained instead. A single
            adapter lies in the folder itself, several in folders of their own below it.
        earlier: Names of the adapters of earlier runs.
        folder: Where to; it may not be there yet.
        merge: Whether to write a plain model with the active adapter folded in, to ``merged``.
    """
    folder.mkdir(exist_ok=True)
    for each in trained:
        if isinstance(each, Fuse):
            backbone.save_adapter_fusion(str(folder / each.name), each, use_safetensors=True)
        else:
            _save(backbone, each, folder / each if len(trained) > 1 else folder)
    for name in earlier:
        _save(backbone, name, folder / name)
    if merge:
        save_merged(backbone, folder / MERGED)


def _save(backbone: nn.Module, name: str, folder: Path) -> None:
    """The library's own function fails on a prefix, which hangs on every layer by another name."""
    folder.mkdir(exist_ok=True)
    weights, config = AdapterLoader(backbone).save_to_state_dict(name)
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    save_file(each_once(weights), str(folder / WEIGHTS), metadata={"format": "pt"})
