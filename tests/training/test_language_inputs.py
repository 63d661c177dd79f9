"""What a language model is shown and is to guess: masks, spans, next tokens, pairs of sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from tunebook.data.tokens import special_tokens
from tunebook.models.load import load_tokenizer
from tunebook.training.language_inputs import (
    IGNORED,
    NO_WORD,
    LanguageInputs,
    Piece,
    cut_texts,
    padded,
)
from tunebook.training.masking import Masking, masking
from tunebook.training.sentence_pairs import (
    FOLLOWS,
    RANDOM,
    next_sentence,
    sentence_pairs,
)
from tunebook.training.span_corruption import SpanCorruption

MASK = 4
ORDINARY = np.arange(100, 1000)
LONG = Piece([2, *range(100, 300), 3], [NO_WORD, *range(200), NO_WORD])
BY_TWOS = Piece([2, *range(100, 300), 3], [NO_WORD, *(n // 2 for n in range(200)), NO_WORD])


def spoilt(mask: Masking, piece: Piece, times: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is shown, and what is to be guessed, in `times` examples: shapes (times, t)."""
    rng = np.random.default_rng(0)
    examples = [mask(piece, rng) for _ in range(times)]
    return tuple(np.array([e[name] for e in examples]) for name in ("input_ids", "labels"))


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("share", [0.15, 0.4])
def test_masks_hit_the_share_they_say(share: float, whole_words: bool) -> None:
    shown, labels = spoilt(Masking(share, whole_words, MASK, ORDINARY), BY_TWOS)
    asked = labels != IGNORED
    assert asked[:, 1:-1].mean() == pytest.approx(share, abs=0.005)
    assert (shown == MASK)[asked].mean() == pytest.approx(0.8, abs=0.02)
    original = np.broadcast_to(BY_TWOS.ids, shown.shape)
    assert (shown == original)[asked].mean() == pytest.approx(0.1, abs=0.02)
    assert np.array_equal(shown[~asked], original[~asked])
    assert np.array_equal(labels[asked], original[asked])


def test_a_short_text_has_something_to_guess() -> None:
    short = Piece([2, 100, 101, 3], [NO_WORD, 0, 1, NO_WORD])
    _, labels = spoilt(Masking(0.15, False, MASK, ORDINARY), short)
    assert ((labels != IGNORED).sum(axis=1) == 1).all()


def test_whole_words_are_masked_whole() -> None:
    shown, labels = spoilt(Masking(0.15, True, MASK, ORDINARY), BY_TWOS)
    pairs = (labels != IGNORED)[:, 1:-1].reshape(-1, 100, 2)
    masked = (shown == MASK)[:, 1:-1].reshape(-1, 100, 2)
    assert pairs.any()
    assert (pairs.all(axis=2) == pairs.any(axis=2)).all()
    assert (masked.all(axis=2) == masked.any(axis=2)).all()
    _, single = spoilt(Masking(0.15, False, MASK, ORDINARY), BY_TWOS)
    halves = (single != IGNORED)[:, 1:-1].reshape(-1, 100, 2)
    assert (halves.all(axis=2) != halves.any(axis=2)).any()


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_text_without_blanks_is_learnt_from(whole_words: bool) -> None:
    """It counts as one word, of which some tokens are guessed by the others."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = [(piece, -1.0) for piece in ("<unk>", "<pad>", "▁", "质量", "很好", "还", "会再买")]
    built = Tokenizer(models.Unigram(pieces, unk_id=0))
    built.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built, unk_token="<unk>", pad_token="<pad>"
    )
    (piece,) = cut_texts(tokenizer, ["质量很好还会再买", "质"], 16)
    assert tokenizer.convert_ids_to_tokens(piece.ids) == ["▁", "质量", "很好", "还", "会再买"]
    assert {*piece.words} == {0}
    _, labels = spoilt(Masking(0.3, whole_words, MASK, ORDINARY), piece)
    assert (labels != IGNORED).sum(axis=1).min() >= 1
    assert (labels != IGNORED).sum(axis=1).max() <= 2


def test_special_tokens_are_neither_masked_nor_drawn(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    mask = masking(tokenizer, 42, 0.9, False)
    special = {*tokenizer.all_special_ids}
    assert len(special) == 5
    assert not special & {*mask.ordinary.tolist()}
    assert len(mask.ordinary) == len(tiny.vocabulary()) - 5
    (piece,) = cut_texts(tokenizer, ["heart nonsense valve [SEP] lung"], 16)
    _, labels = spoilt(mask, piece)
    assert not special & {*labels[labels != IGNORED].tolist()}


def test_padding_is_never_asked_and_never_seen(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    pieces = cut_texts(tokenizer, ["heart valve", "the chronic of aorta with severe artery"], 16)
    mask = masking(tokenizer, 42, 0.5, False)
    rng = np.random.default_rng(0)
    inputs = LanguageInputs(pieces, np.array([4, 9]), mask, 0, rng)
    batch = inputs[[0, 1]]
    assert batch["attention_mask"].sum(dim=1).tolist() == [4, 9]
    assert (batch["labels"][0, 4:] == IGNORED).all()
    assert (batch["input_ids"][0, 4:] == 0).all()


def test_labels_may_be_of_another_length() -> None:
    batch = padded(
        [{"input_ids": [5, 6, 7], "labels": [8]}, {"input_ids": [5], "labels": [8, 9]}], 0
    )
    assert batch["input_ids"].tolist() == [[5, 6, 7], [5, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[8, IGNORED], [8, 9]]


def test_every_token_of_a_text_is_in_a_piece(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    words = tiny.vocabulary()[5:]
    pieces = cut_texts(tokenizer, [" ".join(words), "heart", ""], 10)
    assert len(pieces) == -(-len(words) // 8)  # one word, and none, say nothing of one another
    assert max(map(len, pieces)) == 10
    inside = [token for piece in pieces for token in piece.ids[1:-1]]
    assert tokenizer.convert_ids_to_tokens(inside) == words


@pytest.mark.parametrize(("share", "length"), [(0.15, 3.0), (0.5, 1.0), (0.3, 10.0)])
def test_the_targets_of_cut_spans_rebuild_the_text(share: float, length: float) -> None:
    sentinels = tuple(range(2000, 2100))
    cut = SpanCorruption(share, length, sentinels)
    rng = np.random.default_rng(0)
    lost, spans = [], []
    for _ in range(50):
        example = cut(LONG, rng)
        shown, labels = list(example["input_ids"]), list(example["labels"])
        assert labels[-1] == 3
        missing: dict[int, list[int]] = {}
        for token in labels[:-1]:
            if token in sentinels:
                missing[token] = []
            else:
                missing[[*missing][-1]].append(token)
        assert [*missing] == list(sentinels[: len(missing)])
        assert missing.pop([*missing][-1]) == []  # the last sentinel closes the targets
        rebuilt = [word for token in shown for word in missing.get(token, [token])]
        assert rebuilt == list(LONG.ids)
        lost.append(sum(map(len, missing.values())))
        spans.append(len(missing))
    assert np.mean(lost) / 200 == pytest.approx(share, abs=0.01)
    assert np.mean(lost) / np.mean(spans) == pytest.approx(length, rel=0.1)


def test_two_words_are_enough_for_a_span() -> None:
    cut = SpanCorruption(0.15, 3.0, (2000, 2001))
    example = cut(Piece([100, 101, 3], [0, 1, NO_WORD]), np.random.default_rng(0))
    assert example["input_ids"] == [100, 2000, 3]
    assert example["labels"] == [2000, 101, 2001, 3]


def test_half_of_the_sentence_pairs_follow_one_another(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    texts = ["heart valve. artery pulse! cardiac rhythm", "lung breath\nairway", "skin rash"]
    pairs = sentence_pairs(tokenizer, texts, 16)
    assert [pair.text for pair in pairs] == [0, 0, 1]
    make, rng = next_sentence(tokenizer, pairs), np.random.default_rng(0)
    (start,), (end,) = special_tokens(tokenizer)
    labels = []
    for _ in range(400):
        pair = pairs[0]
        example = make(pair, rng)
        ids, kinds = example["input_ids"], example["token_type_ids"]
        first = [start, *pair.first, end]
        assert ids[: len(first)] == first
        assert kinds == [0] * len(first) + [1] * (len(ids) - len(first))
        second = ids[len(first) : -1]
        (label,) = example["labels"]
        assert second == (pair.second if label == FOLLOWS else pairs[2].second)
        labels.append(label)
    assert labels.count(RANDOM) == pytest.approx(200, abs=40)


def test_long_sentences_are_cut_to_what_fits(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    long = " ".join(tiny.vocabulary()[5:])
    pairs = sentence_pairs(tokenizer, [f"{long}. {long}"] * 2, 16)
    make = next_sentence(tokenizer, pairs)
    assert len(make(pairs[0], np.random.default_rng(0))["input_ids"]) <= 16


def test_a_batch_is_the_same_for_one_seed() -> None:
    def batch(seed: int) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        mask = Masking(0.15, False, MASK, ORDINARY)
        return LanguageInputs([LONG], np.array([202]), mask, 0, rng)[[0]]["input_ids"]

    assert torch.equal(batch(0), batch(0))
    assert not torch.equal(batch(0), batch(1))
