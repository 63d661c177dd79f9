"""The blocks that adapters are put together by, as frozen data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, init=False, repr=False)
class Block:
    """Adapters and other blocks, put together in one way.

    Attributes:
        children: Names of adapters, and blocks.
    """

    children: tuple[Block | str, ...]

    def __init__(self, *children: Block | str) -> None:
        object.__setattr__(self, "children", children)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of all adapters inside, from left to right."""
        return tuple(name for child in self for name in adapters_of(child))

    @property
    def options(self) -> dict[str, list[Any]]:
        """What is set beside the children, by name."""
        values = {name: getattr(self, name) for name in option_names(type(self))}
        return {name: list(value) for name, value in values.items() if value}

    def blocks(self) -> Iterator[Block]:
        """Yields this block and all blocks inside it, outer ones first."""
        yield self
        for child in self:
            if isinstance(child, Block):
                yield from child.blocks()

    def to_json(self) -> dict[str, Any]:
        """Returns the canonical form; `read` makes an equal block of it."""
        children = [child.to_json() if isinstance(child, Block) else child for child in self]
        return {block_name(type(self)): children, **self.options}

    def __iter__(self) -> Iterator[Block | str]:
        return iter(self.children)

    def __str__(self) -> str:
        settings = (f"{name}={value}" for name, value in self.options.items())
        return f"{block_name(type(self))}({', '.join([*map(str, self), *settings])})"

    def __repr__(self) -> str:
        settings = (f"{name}={value}" for name, value in self.options.items())
        return f"{type(self).__name__}({', '.join([*map(repr, self), *settings])})"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        from tunebook.composition.reading import read  # it makes blocks, and so imports them

        return core_schema.no_info_plain_validator_function(
            lambda content: read(content, where=""),  # pydantic knows where the field is
            serialization=core_schema.plain_serializer_function_ser_schema(Block.to_json),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "object"}]}


class Stack(Block):
    """One after the other (Pfeiffer et al. 2020, arXiv:2005.00052)."""


class Fuse(Block):
    """A learnt attention over the outputs (Pfeiffer et al. 2021, arXiv:2005.00247)."""


class Parallel(Block):
    """Each on a copy of the batch, with an answer each (Rücklé et al. 2021, arXiv:2010.11918)."""


class MultiTask(Block):
    """Each text by the adapter of its task."""


@dataclass(frozen=True, init=False, repr=False)
class BatchSplit(Block):
    """Each part of a batch by another child.

    Attributes:
        sizes: Texts of each child's part; one number stands for equal parts.
    """

    sizes: tuple[int, ...]

    def __init__(self, *children: Block | str, sizes: int | Sequence[int] = ()) -> None:
        super().__init__(*children)
        parts = [sizes] * len(children) if isinstance(sizes, int) else sizes
        object.__setattr__(self, "sizes", tuple(parts))


@dataclass(frozen=True, init=False, repr=False)
class Average(Block):
    """The mean of the outputs.

    Attributes:
        weights: Weight of each child, scaled to a sum of one when used; equal ones when empty.
    """

    weights: tuple[float, ...]

    def __init__(self, *children: Block | str, weights: Sequence[float] = ()) -> None:
        super().__init__(*children)
        object.__setattr__(self, "weights", tuple(weights))


BLOCKS: Mapping[str, type[Block]] = {
    "stack": Stack,
    "fuse": Fuse,
    "parallel": Parallel,
    "batch_split": BatchSplit,
    "average": Average,
    "multi_task": MultiTask,
}
"""By what a user writes; class names are understood as well."""


def block_name(kind: type[Block]) -> str:
    """Returns what a user writes for a class of blocks."""
    return next((name for name, block in BLOCKS.items() if block is kind), "…")


def option_names(kind: type[Block]) -> list[str]:
    """Returns what may be set beside the children of such a block."""
    return [field.name for field in fields(kind) if field.name != "children"]


def adapters_of(child: Block | str) -> tuple[str, ...]:
    """Returns the names of the adapters of a child, which may be one itself."""
    return child.adapters if isinstance(child, Block) else (child,)
