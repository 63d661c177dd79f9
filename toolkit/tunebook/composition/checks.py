"""What is wrong with a composition, told before any model is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunebook.composition.blocks import (
    Average,
    BatchSplit,
    Block,
    Fuse,
    MultiTask,
    Parallel,
    Stack,
    adapters_of,
    block_name,
    option_names,
)
from tunebook.errors import ConfigError, Problem, did_you_mean, shorten

ADAPTER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

NESTINGS: Mapping[type[Block], tuple[type[Block], ...]] = {
    Stack: (Fuse, Parallel, BatchSplit, Average, MultiTask),
    Fuse: (Stack,),
    Parallel: (Stack, BatchSplit, Average),
    BatchSplit: (Stack, BatchSplit, Average),
    Average: (Stack, BatchSplit),
    MultiTask: (Stack, Average, Fuse),
}
"""The blocks that may stand in a block; adapters may stand in any. The adapters library's own
table, without `Split`: https://docs.adapterhub.ml/adapter_composition.html"""

FREE_DEPTH = 1
"""Blocks deeper than this (the outermost one is at 0) must be stacks, as in that library."""


class CompositionError(ConfigError, ValueError):
    """A composition is wrong; as a ValueError it may be raised inside a config's validator."""


class Unread(Block):
    """Stands where a part could not be read, so that the rest is checked all the same."""


def check(
    block: Block, adapters: Iterable[str] | None = None, where: str = "composition"
) -> list[Problem]:
    """Returns everything that is wrong with a block.

    Args:
        block: The outermost block.
        adapters: Names that there are, None to leave the names unchecked.
        where: What the block is called in problems.
    """
    known = None if adapters is None else sorted(adapters)
    return [problem for place in _places(block, where) for problem in place.problems(known)]


@dataclass(frozen=True)
class _Place:
    """A block, where in the tree it stands, and how deep."""

    block: Block
    where: str
    depth: int

    @property
    def name(self) -> str:
        return block_name(type(self.block))

    def problems(self, known: Sequence[str] | None) -> Iterator[Problem]:
        if not self.block.children:
            yield _empty(self.name, self.where)
        for name in option_names(type(self.block)):
            yield from self._numbers(name)
        yield from self._repetitions()
        for number, child in enumerate(self.block):
            place = f"{self.where}.{number}"
            if isinstance(child, Block):
                yield from self._nesting(child, place)
            else:
                yield from _name_problems(child, place, known)

    def _nesting(self, child: Block, where: str) -> Iterator[Problem]:
        allowed = NESTINGS[type(self.block)]
        if isinstance(child, Unread):
            return
        if type(child) not in allowed:
            names = " or ".join(f"`{block_name(kind)}`" for kind in allowed)
            yield _misplaced("nesting", where, f"an adapter, or {names}, in `{self.name}`", child)
        elif self.depth >= FREE_DEPTH and not isinstance(child, Stack):
            yield _misplaced("too_deep", where, "adapters or stacks of them so deep inside", child)

    def _repetitions(self) -> Iterator[Problem]:
        """A text passes all of a stack, so that names inside its blocks count; in other blocks
        every child is a way of its own, and two ways may begin alike."""
        seen: set[str] = set()
        for number, child in enumerate(self.block):
            passed = isinstance(self.block, Stack) or isinstance(child, str)
            names = {*adapters_of(child)} if passed else set()
            for name in sorted(names & seen):
                yield Problem(
                    "composition.adapter_twice",
                    f"{self.where}.{number}",
                    f"each adapter once in `{self.name}`",
                    f"`{name}` again",
                    "leave one out, or name another adapter",
                )
            seen |= names

    def _numbers(self, name: str) -> Iterator[Problem]:
        values, children = getattr(self.block, name), len(self.block.children)
        rule = RULES[name]
        if not children or (not values and not rule.required):
            return
        if len(values) != children or not all(map(rule.allows, values)) or not sum(values):
            yield Problem(
                f"composition.{name}",
                self.where,
                f"as many {name} as children, {children}: {rule.words}",
                str(list(values)) if values else "none",
                f"write such as `{name}: {[rule.example] * children}`",
            )


@dataclass(frozen=True)
class Rule:
    """What the numbers of an option must be."""

    words: str
    kinds: tuple[type, ...]
    least: float
    example: float
    required: bool

    def allows(self, value: Any) -> bool:
        return type(value) in self.kinds and self.least <= value < float("inf")


RULES: Mapping[str, Rule] = {
    "sizes": Rule("whole numbers from 1", (int,), 1, 8, required=True),
    "weights": Rule("numbers from 0, not all of them 0", (int, float), 0, 0.5, required=False),
}


def _places(block: Block, where: str, depth: int = 0) -> Iterator[_Place]:
    if isinstance(block, Unread):
        return
    inner = f"{where}.{block_name(type(block))}".lstrip(".")
    yield _Place(block, inner, depth)
    for number, child in enumerate(block):
        if isinstance(child, Block):
            yield from _places(child, f"{inner}.{number}", depth + 1)


def _name_problems(name: str, where: str, known: Sequence[str] | None) -> Iterator[Problem]:
    if not ADAPTER_NAME.fullmatch(name):
        expected = "letters, digits, `_` and `-`, at most 64 of them"
        yield Problem("composition.name", where, expected, shorten(name), "rename the adapter")
    elif known is not None and name not in known:
        advice = did_you_mean(name, known)
        yield Problem("composition.unknown_adapter", where, "an adapter", f"`{name}`", advice)


def _misplaced(code: str, where: str, expected: str, child: Block) -> Problem:
    fix = "take it out, or nest the two the other way round"
    return Problem(f"composition.{code}", where, expected, f"`{child}`", fix)


def _empty(name: str, where: str) -> Problem:
    fix = f"write such as `{name}: [language, task]`"
    return Problem("composition.empty", where, "names of adapters, or blocks", "nothing", fix)
