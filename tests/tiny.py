"""Small models and data made in code, so that no test needs a network or a download."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch

TOPICS = {
    "heart": ["heart", "valve", "artery", "pulse", "cardiac", "rhythm", "aorta", "beat", "vessel"],
    "lung": ["lung", "breath", "airway", "asthma", "cough", "chest", "oxygen", "sputum", "wheeze"],
    "skin": ["skin", "rash", "itch", "blister", "burn", "wound", "scar", "nail", "eczema"],
}
FILLER = ["the", "of", "with", "and", "acute", "chronic", "severe", "mild", "left", "right"]


def vocabulary() -> list[str]:
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
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = vocabulary()
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
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

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(str(folder))
    save_tokenizer(folder)
    return folder


def save_tiny_gpt2(folder: Path, seed: int = 0) -> Path:
    """Writes an untrained GPT-2 of two layers, 32 wide, and a tokenizer."""
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(vocabulary()), n_embd=32, n_layer=2, n_head=2, n_positions=64
    )
    GPT2Model(config).save_pretrained(str(folder))
    save_tokenizer(folder)
    return folder


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
