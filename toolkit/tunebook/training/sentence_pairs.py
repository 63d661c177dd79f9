"""Next-sentence prediction: pairs of sentences, of which half follow one another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tunebook.data.tokens import special_tokens
from tunebook.errors import DataError, Problem
from tunebook.training.language_inputs import Example

END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\n+")
"""Where a sentence ends and another begins."""

FOLLOWS, RANDOM = 0, 1
"""Targets, as BERT's head numbers them."""


@dataclass(frozen=True)
class SentencePair:
    """Two sentences, the second right after the first.

    Attributes:
        text: Number of the text that they are of.
        first: Token numbers.
        second: Token numbers.
    """

    text: int
    first: Sequence[int]
    second: Sequence[int]

    def __len__(self) -> int:
        return len(self.first) + len(self.second)


@dataclass(frozen=True)
class NextSentence:
    """Makes pairs of which half have a second sentence of another text (arXiv:1810.04805).

    Attributes:
        pairs: Where those sentences are drawn from.
        before: Special tokens that begin a text.
        after: Special tokens that end a sentence.
    """

    pairs: Sequence[SentencePair]
    before: Sequence[int]
    after: Sequence[int]

    def __call__(self, pair: SentencePair, rng: np.random.Generator) -> Example:
        """Returns `input_ids`, `token_type_ids` and, in a list of one, the label."""
        label, second = FOLLOWS, pair.second
        if rng.random() < 0.5:
            label, second = RANDOM, self._stranger(pair, rng)
        first = [*self.before, *pair.first, *self.after]
        rest = [*second, *self.after]
        return {
            "input_ids": [*first, *rest],
            "token_type_ids": [0] * len(first) + [1] * len(rest),
            "labels": [label],
        }

    def _stranger(self, pair: SentencePair, rng: np.random.Generator) -> Sequence[int]:
        while True:
            other = self.pairs[rng.integers(len(self.pairs))]
            if other.text != pair.text:
                return other.second


def sentence_pairs(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[SentencePair]:
    """Returns all neighbouring sentences of all texts, each cut to half of what fits.

    Raises:
        DataError: Fewer than two texts have two sentences.
    """
    before, after = special_tokens(tokenizer)
    room = (max_tokens - len(before) - 2 * len(after)) // 2
    split = [[part for part in END.split(text) if part.strip()] for text in texts]
    several = [sentences for sentences in split if len(sentences) > 1]
    if len(several) < 2:
        raise DataError(_single_sentences(len(several), len(texts)))
    pairs = []
    for number, sentences in enumerate(several):
        encoded = tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"]
        cut = [ids[:room] for ids in encoded]
        pairs += [SentencePair(number, *two) for two in pairwise(cut)]
    return pairs


def next_sentence(tokenizer: Any, pairs: Sequence[SentencePair]) -> NextSentence:
    """Returns what makes examples of `pairs`."""
    return NextSentence(pairs, *special_tokens(tokenizer))


def _single_sentences(several: int, texts: int) -> Problem:
    return Problem(
        "pretraining.single_sentences",
        "pretraining.objective",
        "texts of several sentences, two at least, for next-sentence prediction",
        f"{several} among {texts} texts",
        "set pretraining.objective=mlm, or name a `corpus` of longer texts",
    )
