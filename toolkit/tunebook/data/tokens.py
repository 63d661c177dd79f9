"""Texts to token numbers, with an explicit choice for texts that are too long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from tunebook.config import TextConfig

PROBE = "a"
"""Encoded with and without special tokens to see what a tokenizer puts around a text."""


@dataclass(frozen=True)
class Encoded:
    """Inputs for a model, unpadded.

    Attributes:
        input_ids: Token numbers of each input, special tokens included.
        document: Which text an input came from, int64 of shape (inputs,), ascending.
        shortened: How many texts, or pairs of them, lost tokens.
        second: Where the second text of each input begins, int64 of shape (inputs,); None when
            texts stand alone.
    """

    input_ids: list[list[int]]
    document: np.ndarray
    shortened: int = 0
    second: np.ndarray | None = None

    def packed(self) -> dict[str, np.ndarray]:
        """Returns the same as arrays."""
        lengths = np.fromiter(map(len, self.input_ids), np.int64, len(self.input_ids))
        ids = np.fromiter(chain.from_iterable(self.input_ids), np.int32, int(lengths.sum()))
        found = {"ids": ids, "lengths": lengths, "document": self.document}
        found["shortened"] = np.array(self.shortened, np.int64)
        return found if self.second is None else found | {"second": self.second}

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray]) -> Encoded:
        """Returns what `packed` was made of."""
        ids, ends = arrays["ids"].tolist(), np.cumsum(arrays["lengths"]).tolist()
        inputs = [ids[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        shortened = int(arrays["shortened"])
        return cls(inputs, arrays["document"], shortened, arrays.get("second"))


def encode_texts(tokenizer: Any, texts: Sequence[str], config: TextConfig) -> Encoded:
    """Encodes texts; each becomes one input, or with `windows` one or more.

    `truncate` keeps the first tokens; `head_tail` the first and the last half of what fits, the
    head being one longer when that is odd; `windows` cuts windows that share `stride` tokens with
    their neighbours, the last one ending with the text. More than `max_windows` are thinned out
    evenly, first and last included.

    Args:
        tokenizer: A transformers tokenizer. Truncation and padding it presets are ignored.
        texts: Any n texts; an empty one becomes its special tokens.
        config: The longest input, and what to do with longer ones.

    Returns:
        At least one input per text, none empty and none above `config.max_tokens`.
    """
    prefix, suffix = special_tokens(tokenizer)
    room = config.max_tokens - len(prefix) - len(suffix)
    cut = CUTS[config.long_texts]
    filler = [] if prefix or suffix else [_filler(tokenizer)]
    inputs, documents, shortened = [], [], 0
    for number, ids in enumerate(_plain_ids(tokenizer, texts)):
        pieces = cut(ids, room, config) if len(ids) > room else [ids or filler]
        shortened += len(ids) > room and _loses_tokens(config, len(ids), room, len(pieces))
        inputs += [[*prefix, *piece, *suffix] for piece in pieces]
        documents += [number] * len(pieces)
    return Encoded(inputs, np.array(documents, dtype=np.int64), int(shortened))


def encode_pairs(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str], config: TextConfig
) -> Encoded:
    """Encodes pairs of texts; each becomes one input, or with `windows` one or more.

    Special tokens stand where the tokenizer puts them around and between two texts. One that puts
    nothing between them, as those of most decoders, gets its end token there: otherwise nobody
    could say where one text ends.

    Of a pair that is too long the longer text is cut, the shorter one only beyond half of what
    fits. With `windows` it is the longer text that slides past the shorter one, as questions and
    passages are read (Devlin et al. 2019); what is cut of a shorter text is its end.

    Args:
        tokenizer: A transformers tokenizer. Truncation and padding it presets are ignored.
        texts: Any n texts.
        pairs: The n texts beside them.
        config: The longest input, and what to do with longer ones.

    Returns:
        At least one input per pair, none above `config.max_tokens`.
    """
    before, between, after = pair_tokens(tokenizer)
    room = config.max_tokens - len(before) - len(between) - len(after)
    inputs, documents, starts, shortened = [], [], [], 0
    plain = zip(_plain_ids(tokenizer, texts), _plain_ids(tokenizer, pairs), strict=True)
    for number, (first, second) in enumerate(plain):
        pieces, whole = _cut_pair(first, second, room, config)
        shortened += not whole
        for one, other in pieces:
            head = [*before, *one, *between]
            inputs.append([*head, *other, *after])
            documents.append(number)
            starts.append(len(head))
    places, numbers = (np.array(each, dtype=np.int64) for each in (starts, documents))
    return Encoded(inputs, numbers, shortened, places)


def pair_tokens(tokenizer: Any) -> tuple[list[int], list[int], list[int]]:
    """Returns the token numbers that a tokenizer puts before, between and after two texts."""
    encoded = tokenizer(PROBE, PROBE, truncation=False, padding=False, verbose=False)
    ids, sides = encoded["input_ids"], encoded.sequence_ids(0)
    first, second = ([n for n, side in enumerate(sides) if side == which] for which in (0, 1))
    between = ids[first[-1] + 1 : second[0]] or [_separator(tokenizer)]
    return ids[: first[0]], between, ids[second[-1] + 1 :]


def _cut_pair(
    first: list[int], second: list[int], room: int, config: TextConfig
) -> tuple[list[tuple[list[int], list[int]]], bool]:
    """Returns the pieces of a pair, of `room` tokens at most, and whether nothing is lost."""
    if len(first) + len(second) <= room:
        return [(first, second)], True
    turned = len(first) < len(second)
    shorter, longer = (first, second) if turned else (second, first)
    share = min(len(shorter), room // 2)
    cut = CUTS["truncate" if config.long_texts == "windows" else config.long_texts]
    kept = cut(shorter, share, config)[0] if len(shorter) > share else shorter
    left = room - share
    pieces = CUTS[config.long_texts](longer, left, config)
    loses = len(shorter) > share or _loses_tokens(config, len(longer), left, len(pieces))
    return [(kept, piece) if turned else (piece, kept) for piece in pieces], not loses


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Returns the token numbers that a tokenizer puts before and after a text."""
    bare, full = (
        _ids(tokenizer, [PROBE], add_special_tokens=special)[0] for special in (False, True)
    )
    for start in range(len(full) - len(bare) + 1):
        if bare and full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    return full, []


def window_starts(length: int, room: int, stride: int, most: int | None) -> list[int]:
    """Returns where windows of `room` tokens begin in a text of `length` tokens.

    Args:
        length: More than `room`.
        room: Tokens in a window.
        stride: Tokens that neighbours share.
        most: Upper bound of windows; None for as many as it takes.
    """
    last = length - room
    starts = [*range(0, last, max(1, room - stride)), last]
    if most is None or len(starts) <= most:
        return starts
    chosen = np.linspace(0, len(starts) - 1, most).round().astype(int)
    return [starts[position] for position in chosen]


def _truncate(ids: list[int], room: int, _: TextConfig) -> list[list[int]]:
    return [ids[:room]]


def _head_tail(ids: list[int], room: int, _: TextConfig) -> list[list[int]]:
    tail = room // 2
    return [ids[: room - tail] + ids[len(ids) - tail :]]


def _windows(ids: list[int], room: int, config: TextConfig) -> list[list[int]]:
    starts = window_starts(len(ids), room, config.stride, config.max_windows)
    return [ids[start : start + room] for start in starts]


Cut = Callable[[list[int], int, TextConfig], list[list[int]]]
CUTS: Mapping[str, Cut] = {"truncate": _truncate, "head_tail": _head_tail, "windows": _windows}
"""By `TextConfig.long_texts`, what is done with a text above the limit."""


def _loses_tokens(config: TextConfig, length: int, room: int, windows: int) -> bool:
    if config.long_texts != "windows":
        return True
    return windows < len(window_starts(length, room, config.stride, None))


def encode(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, config: TextConfig
) -> Encoded:
    """Encodes texts, or pairs of texts where `pairs` are given."""
    if pairs is None:
        return encode_texts(tokenizer, texts, config)
    return encode_pairs(tokenizer, texts, pairs, config)


def _plain_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    return _ids(tokenizer, list(texts), add_special_tokens=False) if len(texts) else []


def _ids(tokenizer: Any, texts: list[str], *, add_special_tokens: bool) -> list[list[int]]:
    # saying no to both also switches off what tokenizer.json presets
    return tokenizer(
        texts,
        add_special_tokens=add_special_tokens,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]


def _filler(tokenizer: Any) -> int:
    """Returns a token for an empty text where a tokenizer adds none of its own."""
    return _first_of(tokenizer, ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"))


def _separator(tokenizer: Any) -> int:
    """Returns a token for between two texts where a tokenizer puts none of its own."""
    return _first_of(tokenizer, ("sep_token_id", "eos_token_id", "bos_token_id", "pad_token_id"))


def _first_of(tokenizer: Any, names: Sequence[str]) -> int:
    numbers = [getattr(tokenizer, name, None) for name in names]
    return next((number for number in numbers if number is not None), 0)
