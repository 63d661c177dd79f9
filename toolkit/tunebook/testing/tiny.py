"""Small models and data made in code, so that no check needs a network or a download."""

from __future__ import annotations

import atexit
import functools
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOPICS = {
    "heart": ["heart", "valve", "artery", "pulse", "cardiac", "rhythm", "aorta", "beat", "vessel"],
    "lung": ["lung", "breath", "airway", "asthma", "cough", "chest", "oxygen", "sputum", "wheeze"],
    "skin": ["skin", "rash", "itch", "blister", "burn", "wound", "scar", "nail", "eczema"],
}
FILLER = ["the", "of", "with", "and", "acute", "chronic", "severe", "mild", "left", "right"]
TEXTS = (
    "heart valve acute",
    "skin rash mild",
    "lung cough",
    "the chronic of aorta with severe artery and left chest vessel",
)
"""Texts of different lengths, for logits to be compared on."""


def vocabulary() -> list[str]:
    """Returns the words of the tiny tokenizer, special tokens first."""
    words = sorted({word for topic in TOPICS.values() for word in topic} | set(FILLER))
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]


def rows(count: int = 180, seed: int = 0) -> list[dict[str, Any]]:
    """Returns distinct texts of three topics; sixty groups that share words."""
    rng = random.Random(seed)
    made: dict[str, dict[str, Any]] = {}
    while len(made) < count:
        label = sorted(TOPICS)[len(made) % len(TOPICS)]
        words = rng.sample(TOPICS[label], 3) + rng.sample(FILLER, 3)
        rng.shuffle(words)
        text = " ".join(words)
        number = len(made)
        row = {"id": f"r{number}", "text": text, "label": label, "group": f"g{number // 3}"}
        made.setdefault(text, row)
    return list(made.values())


def save_tokenizer(folder: Path) -> None:
    """Writes a tokenizer that knows the words above."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = vocabulary()
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(str(folder))


def save_tiny_bert(folder: Path, seed: int = 0) -> Path:
    """Writes an untrained BERT of two layers, 32 wide, and its tokenizer."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    return _save(lambda: BertModel(config), folder, seed)


def save_tiny_gpt2(folder: Path, seed: int = 0) -> Path:
    """Writes an untrained GPT-2 of two layers, 32 wide, and a tokenizer."""
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(
        vocab_size=len(vocabulary()), n_embd=32, n_layer=2, n_head=2, n_positions=64
    )
    return _save(lambda: GPT2Model(config), folder, seed)


def save_tiny_t5(folder: Path, seed: int = 0) -> Path:
    """Writes an untrained T5 of two layers on each side, 32 wide, and a tokenizer."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=len(vocabulary()),
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        decoder_start_token_id=0,
        eos_token_id=3,
    )
    return _save(lambda: T5ForConditionalGeneration(config), folder, seed)


def _save(make: Callable[[], Any], folder: Path, seed: int) -> Path:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make().save_pretrained(str(folder))
    save_tokenizer(folder)
    return folder


@dataclass(frozen=True)
class TinyModel:
    """A tiny pretrained model and the head that is put on it.

    Attributes:
        family: ``encoder``, ``decoder`` or ``encoder_decoder``.
        form: Form of the head.
        architecture: transformers model type.
        save: Writes the pretrained model into a folder.
    """

    family: str
    form: str
    architecture: str
    save: Callable[[Path], Path]


MODELS: Mapping[str, TinyModel] = {
    "encoder": TinyModel("encoder", "linear", "bert", save_tiny_bert),
    "decoder": TinyModel("decoder", "linear", "gpt2", save_tiny_gpt2),
    "encoder-decoder": TinyModel("encoder_decoder", "linear", "t5", save_tiny_t5),
    "label words": TinyModel("encoder_decoder", "label_words", "t5", save_tiny_t5),
}
"""By name, the models that strategies are tried on, each where its tags allow it."""


@functools.cache
def model_folder(save: Callable[[Path], Path]) -> Path:
    """Returns a folder that `save` has filled, once in a process; it lasts as long as that."""
    folder = Path(tempfile.mkdtemp(prefix="tunebook-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return save(folder)


def case_content(model: Path, **changes: Any) -> dict[str, Any]:
    """Returns a case on the rows above, small enough to train in a second or two."""
    return {
        "name": "tiny",
        "data": {"kind": "memory", "rows": rows()},
        "task": {"id": "id"},
        "split": {"kind": "stratified"},
        "text": {"max_tokens": 16},
        "model": {"kind": "local", "path": str(model)},
        "strategy": "full",
        "training": {
            "epochs": 6,
            "learning_rate": 3e-3,
            "head_learning_rate": 3e-3,
            "precision": "fp32",
            "evaluations": 3,
        },
        "metrics": ["accuracy", "f1", "roc_auc", "confusion_matrix"],
        "evaluation": {"bootstrap": {"resamples": 100}},
    } | changes
