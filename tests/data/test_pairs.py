"""Two texts become one input: where each begins, and what is cut when both don't fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tunebook.config import TextConfig
from tunebook.data.tokens import encode_pairs, pair_tokens

WORDS = [f"w{n}" for n in range(300)]
TEMPLATES = {
    "bert": "[CLS] $A [SEP] $B:1 [SEP]:1",
    "roberta": "[CLS] $A [SEP] [SEP] $B [SEP]",
    "t5": "$A [SEP] $B [SEP]",
    "gpt2": None,
}
SPECIAL = {
    "bert": ([2], [3], [3]),
    "roberta": ([2], [3, 3], [3]),
    "t5": ([], [3], [3]),
    "gpt2": ([], [3], []),  # the end token, which it doesn't put there itself
}
text_of = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)


def make_tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4}
    vocabulary |= {word: n + 10 for n, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A", pair=template, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[SEP]"
    )


TOKENIZERS = {name: make_tokenizer(template) for name, template in TEMPLATES.items()}
any_tokenizer = pytest.mark.parametrize("name", TOKENIZERS)


def words(count: int, start: int = 0) -> str:
    return " ".join(WORDS[start : start + count])


def plain(text: str) -> list[int]:
    return [int(word[1:]) + 10 for word in text.split()]


def sides(name: str, encoded: Any) -> list[tuple[list[int], list[int]]]:
    """Returns both texts of each input; the special tokens must be where they belong."""
    before, between, after = SPECIAL[name]
    found = []
    for ids, start in zip(encoded.input_ids, encoded.second, strict=True):
        first = ids[len(before) : start - len(between)]
        second = ids[start : len(ids) - len(after)]
        assert [*before, *first, *between, *second, *after] == ids
        found.append((first, second))
    return found


@any_tokenizer
def test_special_tokens_stand_where_the_tokenizer_puts_them(name: str) -> None:
    assert pair_tokens(TOKENIZERS[name]) == SPECIAL[name]
    encoded = encode_pairs(TOKENIZERS[name], ["w1 w2"], ["w3"], TextConfig(max_tokens=16))
    assert sides(name, encoded) == [([11, 12], [13])]
    own = TOKENIZERS[name]("w1 w2", "w3")["input_ids"]
    if name != "gpt2":
        assert encoded.input_ids == [own]
    assert encoded.shortened == 0


@pytest.mark.parametrize(("first", "second"), [(40, 40), (40, 3), (3, 40), (9, 9), (8, 40)])
def test_truncation_is_that_of_the_tokenizer(first: int, second: int) -> None:
    """The longer text is cut first; an odd token goes to either of two equally long texts."""
    tokenizer = TOKENIZERS["bert"]
    one, other = words(first), words(second, 100)
    (ours,) = sides("bert", encode_pairs(tokenizer, [one], [other], TextConfig(max_tokens=20)))
    theirs = tokenizer(one, other, truncation="longest_first", max_length=20)["input_ids"]
    tokenizer.backend_tokenizer.no_truncation()
    place = theirs.index(3)
    expected = (theirs[1:place], theirs[place + 1 : -1])
    assert sum(map(len, ours)) == sum(map(len, expected)) == min(17, first + second)
    for mine, its in zip(ours, expected, strict=True):
        assert mine[: len(its)] == its[: len(mine)]
        assert abs(len(mine) - len(its)) <= 1


def test_the_longer_text_slides_past_the_shorter_one() -> None:
    config = TextConfig(max_tokens=16, long_texts="windows", stride=2, max_windows=None)
    for turned in (False, True):
        texts = (words(3), words(30, 100))
        one, other = texts[::-1] if turned else texts
        encoded = encode_pairs(TOKENIZERS["bert"], [one], [other], config)
        pieces = [pair[::-1] if turned else pair for pair in sides("bert", encoded)]
        assert len(pieces) == 4
        assert all(short == plain(texts[0]) for short, _ in pieces)
        assert {token for _, window in pieces for token in window} == {*plain(texts[1])}
        assert encoded.document.tolist() == [0] * 4
        assert encoded.shortened == 0


def test_head_and_tail_of_the_longer_text_are_kept() -> None:
    config = TextConfig(max_tokens=16, long_texts="head_tail")
    encoded = encode_pairs(TOKENIZERS["bert"], [words(3)], [words(30, 100)], config)
    ((short, cut),) = sides("bert", encoded)
    assert short == plain(words(3))
    assert cut == plain(words(5, 100)) + plain(words(5, 125))
    assert encoded.shortened == 1


@pytest.mark.parametrize("long_texts", ["truncate", "head_tail", "windows"])
@any_tokenizer
@given(pairs=st.lists(st.tuples(text_of, text_of), min_size=1, max_size=3), most=st.integers(8, 40))
def test_any_pair_fits(name: str, long_texts: Any, pairs: list[tuple[str, str]], most: int) -> None:
    config = TextConfig(max_tokens=most, long_texts=long_texts, stride=1, max_windows=None)
    ones, others = zip(*pairs, strict=True)
    encoded = encode_pairs(TOKENIZERS[name], ones, others, config)
    assert {*encoded.document.tolist()} == {*range(len(pairs))}
    for (first, second), number in zip(sides(name, encoded), encoded.document, strict=True):
        assert {*first} <= {*plain(ones[number])}
        assert {*second} <= {*plain(others[number])}
        assert bool(first) == bool(ones[number])
        assert bool(second) == bool(others[number])
    assert all(len(ids) <= most for ids in encoded.input_ids)


def test_segments_are_those_of_bert_and_of_no_other(
    tiny_bert: Path, tiny_gpt2: Path, tiny_t5: Path
) -> None:
    """Against what transformers makes of a batch of pairs."""
    import torch

    from tunebook.config import HeadConfig
    from tunebook.models.load import load_backbone, load_tokenizer
    from tunebook.tasks.text_classification import TextClassifier
    from tunebook.training.inputs import token_inputs

    pairs = (["heart valve acute", "skin"], ["lung", "cough mild asthma"])
    for folder, told in ((tiny_bert, True), (tiny_gpt2, False), (tiny_t5, False)):
        tokenizer, backbone = load_tokenizer(folder), load_backbone(folder)
        model = TextClassifier(backbone, 2, HeadConfig()).eval()
        encoded = encode_pairs(tokenizer, *pairs, TextConfig(max_tokens=16))
        batch = token_inputs(encoded, None, model, tokenizer)[[0, 1]]
        theirs = tokenizer(*pairs, padding=True, return_tensors="pt", return_token_type_ids=told)
        assert ("token_type_ids" in batch) == told
        assert batch["input_ids"].tolist() == theirs["input_ids"].tolist()
        assert batch["attention_mask"].tolist() == theirs["attention_mask"].tolist()
        if told:
            assert batch["token_type_ids"].tolist() == theirs["token_type_ids"].tolist()
            with torch.inference_mode():
                alike = backbone(**theirs).last_hidden_state
                mask = batch["attention_mask"]
                expected = model.pool(alike, mask)
                assert torch.allclose(model.encode(**batch), expected, atol=1e-6)
                batch.pop("token_type_ids")
                assert not torch.allclose(model.encode(**batch), expected, atol=1e-3)


def test_the_last_token_of_a_pair_is_what_a_decoder_pools(tiny_gpt2: Path) -> None:
    from tunebook.config import HeadConfig
    from tunebook.models.load import load_backbone, load_tokenizer
    from tunebook.tasks.text_classification import TextClassifier
    from tunebook.training.inputs import token_inputs

    tokenizer = load_tokenizer(tiny_gpt2)
    model = TextClassifier(load_backbone(tiny_gpt2), 2, HeadConfig()).eval()
    texts, seconds = ["heart", "skin rash mild with burn"], ["lung", "cough and itch"]
    encoded = encode_pairs(tokenizer, texts, seconds, TextConfig(max_tokens=16))
    inputs = token_inputs(encoded, None, model, tokenizer)
    import torch

    with torch.inference_mode():
        beside = model.encode(**inputs[[0, 1]])[0]  # padded to the longer one
        states = model.backbone(**inputs[[0]]).last_hidden_state
    assert torch.allclose(beside, states[0, -1], atol=1e-5)
