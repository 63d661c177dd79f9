"""Span corruption: spans are cut out of a text, and the decoder says what was in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunebook.errors import ConfigError, Problem
from tunebook.training.language_inputs import NO_WORD, Example, Piece

SENTINEL = re.compile(r"<extra_id_(\d+)>")
"""What T5's tokenizers call the tokens that stand for a span."""


@dataclass(frozen=True)
class SpanCorruption:
    """Cuts spans out and puts sentinels in their places, as T5's pretraining does.

    Raffel et al. 2020, arXiv:1910.10683.

    Attributes:
        share: Share of tokens that are cut out, between 0 and 1; at least one is.
        length: Mean tokens of a span.
        sentinels: Their token numbers, in the order they are used in.
    """

    share: float
    length: float
    sentinels: tuple[int, ...]

    def __call__(self, piece: Piece, rng: np.random.Generator) -> Example:
        """Returns `input_ids` with sentinels, and `labels`: each sentinel and what it stands for.

        The labels end with one more sentinel and with the special tokens that end the text.
        """
        inside = np.flatnonzero(np.asarray(piece.words) != NO_WORD)
        start, end = int(inside[0]), int(inside[-1]) + 1
        ids: list[int] = list(piece.ids[:start])
        labels: list[int] = []
        place = start
        spans = self._spans(end - start, rng)
        for sentinel, (kept, cut) in zip(self.sentinels, spans, strict=False):
            ids += [*piece.ids[place : place + kept], sentinel]
            labels += [sentinel, *piece.ids[place + kept : place + kept + cut]]
            place += kept + cut
        rest = list(piece.ids[end:])
        return {
            "input_ids": [*ids, *piece.ids[place:end], *rest],
            "labels": [*labels, self.sentinels[len(spans)], *rest],
        }

    def _spans(self, tokens: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Returns, span by span, how many tokens stay before it and how many it has."""
        cut = min(max(1, int(tokens * self.share + rng.random())), tokens - 1)
        most = min(cut, tokens - cut, len(self.sentinels) - 1)
        count = min(max(1, round(cut / self.length)), most)
        kept = _parts(tokens - cut, count, rng)
        return list(zip(kept, _parts(cut, count, rng), strict=True))


def span_corruption(tokenizer: Any, share: float, length: float) -> SpanCorruption:
    """Returns the span corruption for a tokenizer that has sentinels.

    Raises:
        ConfigError: It has none.
    """
    return SpanCorruption(share, length, find_sentinels(tokenizer))


def find_sentinels(tokenizer: Any) -> tuple[int, ...]:
    """Returns the numbers of the tokens that stand for spans, in their order.

    Raises:
        ConfigError: There are none.
    """
    named = {token: SENTINEL.fullmatch(token) for token in tokenizer.get_vocab()}
    numbered = sorted((int(match[1]), token) for token, match in named.items() if match)
    if len(numbered) < 2:
        raise ConfigError(
            Problem(
                "pretraining.no_sentinels",
                "pretraining.objective",
                "a tokenizer with the tokens <extra_id_0>, <extra_id_1> and so on",
                f"{len(numbered)} of them",
                "choose a model of the T5 family, or leave `pretraining` out",
            )
        )
    return tuple(tokenizer.convert_tokens_to_ids(token) for _, token in numbered)


def _parts(total: int, count: int, rng: np.random.Generator) -> list[int]:
    """Returns `count` random numbers of at least one that add up to `total`."""
    cuts = np.sort(rng.choice(total - 1, count - 1, replace=False)) + 1
    return np.diff([0, *cuts, total]).tolist()
