"""How high each parameter of a backbone lies: embeddings, blocks from the bottom, what is above."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

EMBEDDING = re.compile(r"embed|(^|_)emb($|_)")
"""What embeddings and their norms are called, wherever a model registers them."""


@dataclass(frozen=True)
class Layers:
    """The blocks of a backbone, counted from the bottom; an encoder's come before a decoder's.

    Attributes:
        count: Number n of blocks.
    """

    count: int = 0
    _depths: Mapping[str, int] = field(default_factory=dict)

    def depth_of(self, name: str) -> int:
        """Returns 0 for embeddings and their norms, 1…n for blocks, n + 1 for all that is above.

        Args:
            name: Name of a parameter or module of the backbone. What a strategy has put into a
                block belongs to that block.
        """
        parts = name.split(".")
        outwards = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
        return next((self._depths[place] for place in outwards if place in self._depths), self._top)

    @property
    def _top(self) -> int:
        return self.count + 1


def find_layers(backbone: nn.Module) -> Layers:
    """Returns the blocks of a transformers model, found by structure and not by architecture.

    Blocks are the items of the outermost `ModuleList`s. Lists of one length side by side are one
    stack (XLM keeps attention, norms and feed-forward layers of a block in lists of their own).
    A final norm inside an encoder counts as a part of its last block when a decoder stands on it.
    """
    count = 0
    blocks: dict[str, int] = {}
    ends: dict[str, int] = {}
    for (parent, length), lists in _stacks(backbone).items():
        blocks |= {f"{name}.{n}": count + n + 1 for name in lists for n in range(length)}
        count += length
        ends[parent] = count
    # what follows the last stack is above all of them
    ends = {parent: depth for parent, depth in ends.items() if depth < count}
    return Layers(count, ends | dict.fromkeys(_embeddings(backbone, tuple(blocks)), 0) | blocks)


def blocks_of(backbone: nn.Module) -> list[nn.Module]:
    """Returns the blocks from the bottom; empty where a block isn't one module, as in XLM."""
    stacks = _stacks(backbone)
    if any(len(lists) > 1 for lists in stacks.values()):
        return []
    return [block for lists in stacks.values() for block in backbone.get_submodule(lists[0])]


def _stacks(backbone: nn.Module) -> dict[tuple[str, int], list[str]]:
    """Returns the names of the outermost lists by the module they are in and their length."""
    stacks: dict[tuple[str, int], list[str]] = {}
    found: tuple[str, ...] = ()
    for name, module in backbone.named_modules():
        parent, _, own = name.rpartition(".")
        if not isinstance(module, nn.ModuleList) or _within(name, found) or EMBEDDING.search(own):
            continue
        if any(True for _ in module.parameters()):
            found += (name,)
            stacks.setdefault((parent, len(module)), []).append(name)
    return stacks


def _embeddings(backbone: nn.Module, blocks: tuple[str, ...]) -> list[str]:
    """Returns lookup tables and whatever else is called an embedding, outside the blocks."""
    tables = {name for name, module in backbone.named_modules() if isinstance(module, nn.Embedding)}
    names = [name for name, _ in (*backbone.named_modules(), *backbone.named_parameters())]
    called = {name for name in names if EMBEDDING.search(name.rpartition(".")[2])}
    return [name for name in tables | called if not _within(name, blocks)]


def _within(name: str, places: tuple[str, ...]) -> bool:
    return name.startswith(tuple(f"{place}." for place in places))
