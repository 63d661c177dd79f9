"""Masked language modelling: what is hidden of a text, and what is put in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tunebook.training.language_inputs import (
    IGNORED,
    NO_WORD,
    SHORTEST,
    Example,
    Piece,
    unguessable,
)

MASKED, RANDOM = 0.8, 0.1
"""Shares of what is to be guessed that the mask token and a random one hide; the rest stays."""


@dataclass(frozen=True)
class Masking:
    """Hides tokens, or whole words, as BERT's pretraining does (arXiv:1810.04805).

    Attributes:
        share: Share of tokens to be guessed, between 0 and 1; at least one is.
        whole_words: Choose words, and treat all tokens of one alike, unless all are of one word.
        mask: Number of the mask token.
        ordinary: Token numbers that may stand in for another.
    """

    share: float
    whole_words: bool
    mask: int
    ordinary: np.ndarray

    def __call__(self, piece: Piece, rng: np.random.Generator) -> Example:
        """Returns `input_ids`, and `labels` that hold what was there where it is to be guessed."""
        original = np.asarray(piece.ids)
        ids, labels = original.copy(), np.full(len(original), IGNORED)
        for places in self._chosen(piece, rng):
            labels[places] = original[places]
            fate = rng.random()
            if fate < MASKED:
                ids[places] = self.mask
            elif fate < MASKED + RANDOM:
                ids[places] = rng.choice(self.ordinary, len(places))
        return {"input_ids": ids, "labels": labels}

    def _chosen(self, piece: Piece, rng: np.random.Generator) -> list[np.ndarray]:
        words = np.asarray(piece.words)
        guessable = np.flatnonzero(words != NO_WORD)
        units = [places[None] for places in guessable]
        distinct = np.unique(words[guessable])
        if self.whole_words and len(distinct) >= SHORTEST:
            units = [np.flatnonzero(words == word) for word in distinct]
        # rounded up or down by chance: a share of 0.15 of ten tokens is one or two of them
        count = max(1, int(len(units) * self.share + rng.random()))
        return [units[number] for number in rng.choice(len(units), count, replace=False)]


def masking(tokenizer: Any, vocabulary: int, share: float, whole_words: bool) -> Masking:
    """Returns the masking for a tokenizer that has a mask token.

    Args:
        tokenizer: The backbone's.
        vocabulary: Number of tokens that the backbone knows.
        share: Share of tokens to be guessed.
        whole_words: Mask all tokens of a word together.
    """
    known = np.arange(min(vocabulary, len(tokenizer)))
    ordinary = known[~np.isin(known, list(unguessable(tokenizer)))]
    return Masking(share, whole_words, tokenizer.mask_token_id, ordinary)
