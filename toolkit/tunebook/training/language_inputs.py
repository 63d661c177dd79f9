"""Texts as a language model learns from them: pieces, spoilt anew each time they are seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from tunebook.data.tokens import special_tokens
from tunebook.training.inputs import Batch

IGNORED = -100
"""Target of a token that isn't to be guessed, as transformers' losses take it."""

NO_WORD = -1
SHORTEST = 2
"""Tokens, or words, below which nothing can be guessed of one by the others."""


@dataclass(frozen=True)
class Piece:
    """As much of a text as the model sees at once.

    Attributes:
        ids: t token numbers, special tokens included.
        words: t numbers: tokens of one word share theirs; special tokens have `NO_WORD`.
    """

    ids: Sequence[int]
    words: Sequence[int]

    def __len__(self) -> int:
        return len(self.ids)


Example = dict[str, Sequence[int]]
Spoil = Callable[[Any, np.random.Generator], Example]
"""Makes of a piece what the model sees and is to guess, by the names of its arguments."""


@dataclass(frozen=True)
class LanguageInputs(Dataset[Batch]):
    """n pieces, each made into an example when its batch is asked for.

    Attributes:
        pieces: Whatever `spoil` takes.
        lengths: Shape (n,), tokens of each piece.
        spoil: Makes an example of a piece.
        pad: Token number that fills short rows.
        rng: Where the examples' chances come from; as batches are asked for in a fixed order, they
            are the same for one seed.
    """

    pieces: Sequence[Any]
    lengths: np.ndarray
    spoil: Spoil
    pad: int
    rng: np.random.Generator

    def __len__(self) -> int:
        return len(self.pieces)

    def state_dict(self) -> dict[str, Any]:
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        return padded([self.spoil(self.pieces[row], self.rng) for row in rows], self.pad)


def padded(examples: Sequence[Example], pad: int) -> Batch:
    """Returns a batch, each field padded to its own longest row, with the mask of `input_ids`."""
    fill = {"input_ids": pad, "labels": IGNORED}
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])
    batch = {
        name: _matrix([example[name] for example in examples], fill.get(name, 0))
        for name in examples[0]
    }
    width = batch["input_ids"].shape[1]
    return batch | {"attention_mask": (torch.arange(width) < lengths[:, None]).long()}


def cut_texts(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[Piece]:
    """Returns the pieces of `texts`, none longer than `max_tokens`; every token is in one of them.

    Pieces with fewer than `SHORTEST` tokens to guess are left out. Words say little: a text in a
    language without blanks, such as Chinese, may be a single one.
    """
    prefix, suffix = special_tokens(tokenizer)
    room = max_tokens - len(prefix) - len(suffix)
    never = unguessable(tokenizer)
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)
    pieces = []
    for number, ids in enumerate(encoded["input_ids"]):
        words = [
            NO_WORD if word is None or token in never else word
            for token, word in zip(ids, encoded.word_ids(number), strict=True)
        ]
        for start in range(0, len(ids), room):
            inside = words[start : start + room]
            if len(inside) - inside.count(NO_WORD) >= SHORTEST:
                around = [NO_WORD] * len(prefix), [NO_WORD] * len(suffix)
                piece = [*prefix, *ids[start : start + room], *suffix]
                pieces.append(Piece(piece, [*around[0], *inside, *around[1]]))
    return pieces


def unguessable(tokenizer: Any) -> frozenset[int]:
    """Returns the numbers of special tokens, the unknown one included."""
    return frozenset(tokenizer.all_special_ids)


def _matrix(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    matrix = torch.full((len(rows), max(map(len, rows))), fill, dtype=torch.long)
    for place, row in enumerate(rows):
        matrix[place, : len(row)] = torch.as_tensor(np.asarray(row, dtype=np.int64))
    return matrix
