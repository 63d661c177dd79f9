"""Compositions as the adapters library takes them, and what it cannot compose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import adapters.composition as library
from torch import nn

from tunebook.composition import Average, Block, Fuse
from tunebook.errors import ConfigError, Problem

KIND = (
    *("architecture", "composition_mode", "leave_out"),
    *("mh_adapter", "output_adapter", "is_parallel"),
)
"""What adapters that are fused or averaged must have alike: the method and its places."""


def to_library(child: Block | str) -> Any:
    """Returns the adapters library's own block."""
    if isinstance(child, str):
        return child
    children = [to_library(inner) for inner in child]
    return getattr(library, type(child).__name__)(*children, **_options(child))


def check_kinds(backbone: nn.Module, block: Block) -> None:
    """Refuses to mix adapters that the library cannot mix.

    Raises:
        ConfigError: With a problem for each block.
    """
    problems = [problem for inside in block.blocks() for problem in _misfits(backbone, inside)]
    if problems:
        raise ConfigError(*problems)


def _options(block: Block) -> dict[str, Any]:
    if not isinstance(block, Average):
        return {}
    weights = block.weights or (1.0,) * len(block.children)
    # the library (1.3.0) takes the mean of the weighted outputs where it should take their sum
    scale = len(weights) / sum(weights)
    return {"weights": [scale * weight for weight in weights], "normalize_weights": False}


def _misfits(backbone: nn.Module, block: Block) -> Iterator[Problem]:
    """Fusion reads the output of a sequential bottleneck; prefixes have no output to average."""
    if not isinstance(block, Fuse | Average):
        return
    kinds = {name: _kind(backbone, name) for name in block.adapters}
    words = "; ".join(f"`{name}` is {_in_words(kind)}" for name, kind in kinds.items())
    some = next(iter(kinds.values()))
    if any(kind != some for kind in kinds.values()):
        yield _misfit(block, "of one method and in the same layers", words)
    elif isinstance(block, Fuse) and (some["architecture"] or some["is_parallel"]):
        yield _misfit(block, "sequential bottlenecks, such as seq_bn or compacter", words)
    elif isinstance(block, Average) and some["architecture"] == "prefix_tuning":
        yield _misfit(block, "bottlenecks, lora or ia3", words)


def _kind(backbone: nn.Module, name: str) -> dict[str, Any]:
    config = backbone.adapters_config.get(name)
    return {key: config.get(key) for key in KIND}


def _in_words(kind: dict[str, Any]) -> str:
    dropped = f" without layers {kind['leave_out']}" if kind["leave_out"] else ""
    if kind["architecture"]:
        method = "ia3" if kind["composition_mode"] == "scale" else kind["architecture"]
        return f"{method}{dropped}"
    places = {"mh_adapter": "after attention", "output_adapter": "at the feed-forward layer"}
    where = " and ".join(words for key, words in places.items() if kind[key])
    return f"a {'parallel' if kind['is_parallel'] else 'sequential'} bottleneck {where}{dropped}"


def _misfit(block: Block, expected: str, found: str) -> Problem:
    return Problem(
        "composition.kind",
        "strategy.composition",
        f"adapters in `{block}` that are {expected}",
        found,
        "train them with the same `method` and `drop_layers`, or put them in a stack",
    )
