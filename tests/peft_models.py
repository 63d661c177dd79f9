"""Variants of the peft strategies, and small models of several architectures to try them on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    BartConfig,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
)

import tiny
from tunebook.config import CaseConfig
from tunebook.contracts import Prepared
from tunebook.errors import ConfigError, Problem
from tunebook.host import PluginHost
from tunebook.models.load import load_tokenizer
from tunebook.schema import CaseSchema
from tunebook.subject import seed_everything
from tunebook.tasks.build import build_classifier
from tunebook.training.context import Context
from tunebook.training.precision import Precision

HOST = PluginHost()
FP32 = Precision("fp32", "a test")
CLASSES = ("heart", "lung", "skin")

VARIANTS: dict[str, dict[str, Any]] = {
    "rslora": {"kind": "lora", "r": 4, "rslora": True},
    "dora": {"kind": "lora", "r": 4, "dora": True},
    "lora_plus": {"kind": "lora", "r": 4, "targets": "attention", "plus_ratio": 16.0},
    "ia3": {"kind": "ia3"},
    "random_prompt": {"kind": "prompt_tuning", "tokens": 5, "init": "random"},
    "word_prompt": {"kind": "prompt_tuning", "tokens": 5},
    "text_prompt": {"kind": "prompt_tuning", "tokens": 5, "init": "text", "text": "heart lung"},
    "knowing_prompt": {"kind": "prompt_tuning", "tokens": 5, "knowledge": "heart lung"},
    "mlp_prompt": {"kind": "p_tuning", "tokens": 5},
    "lstm_prompt": {"kind": "p_tuning", "tokens": 5, "encoder": "lstm", "width": 16},
    "prefix": {"kind": "prefix_tuning", "tokens": 5},
    "projected_prefix": {"kind": "prefix_tuning", "tokens": 5, "projection": True, "width": 8},
    "bitfit": {"kind": "bitfit"},
    "attention_biases": {"kind": "bitfit", "targets": "attention"},
    "feed_forward_biases": {"kind": "bitfit", "targets": "feed_forward"},
}

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}
CONFIGS: dict[str, Any] = {
    "roberta": partial(
        RobertaConfig, **SIZES, intermediate_size=64, max_position_embeddings=66, pad_token_id=0
    ),
    "distilbert": partial(
        DistilBertConfig, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64
    ),
    "bart": partial(
        BartConfig,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=64,
        pad_token_id=0,
    ),
    "albert": partial(AlbertConfig, **SIZES, embedding_size=16, intermediate_size=64),
    "electra": partial(ElectraConfig, **SIZES, embedding_size=16, intermediate_size=64),
}
HEADS = {"t5": {"form": "linear", "pooling": "decoder"}}
"""Heads that every part of a model has a say in, where the default one isn't such a head."""


def save_models(root: Path) -> dict[str, Path]:
    """Writes an untrained model of two layers for each architecture; returns their folders."""
    for name, config in CONFIGS.items():
        torch.manual_seed(0)
        model = AutoModel.from_config(config(vocab_size=len(tiny.vocabulary())))
        model.save_pretrained(str(root / name))
        tiny.save_tokenizer(root / name)
    tiny.save_tiny_bert(root / "bert")
    tiny.save_tiny_gpt2(root / "gpt2")
    tiny.save_tiny_t5(root / "t5")
    return {path.name: path for path in root.iterdir()}


def case_of(folder: Path, strategy: Any, **changes: Any) -> CaseConfig:
    """Returns the tiny case with `strategy`."""
    changes = {"head": HEADS.get(folder.name, {})} | changes
    return CaseSchema(HOST).validate(tiny.case_content(folder, strategy=strategy, **changes))


def build(folder: Path, case: CaseConfig) -> Any:
    """Returns a classifier that no strategy has touched."""
    return build_classifier(folder, load_tokenizer(folder), CLASSES, case.head)


def prepare(folder: Path, strategy: Any, seed: int = 0, **changes: Any) -> Prepared:
    """Returns a classifier that `strategy` has prepared."""
    case = case_of(folder, strategy, **changes)
    seed_everything(seed)
    model = build(folder, case)
    encode = partial(load_tokenizer(folder).encode, add_special_tokens=False)
    context = Context.of(model, case.training, encode=encode)
    return HOST.create("strategy", case.strategy).prepare(model, context)


def train_two_steps(prepared: Prepared, precision: Precision = FP32) -> None:
    """Trains on two texts, with plain gradient descent."""
    prepared.model.train()
    optimizer = torch.optim.SGD([dict(group) for group in prepared.groups])
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 17, 18, 20, 3]])
    for _ in range(2):  # the second factor of LoRA only moves once the first has
        with precision.autocast():
            logits = prepared.model(input_ids=ids, attention_mask=torch.ones_like(ids)).float()
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
        optimizer.step()
    prepared.model.eval()


def problem_of(function: Callable[..., Any], *arguments: Any, **named: Any) -> Problem:
    """Returns the first problem of the ConfigError that a call raises."""
    with pytest.raises(ConfigError) as caught:
        function(*arguments, **named)
    return caught.value.problems[0]


def padded(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    """Returns token rows and their mask, padded to one length."""
    longest = max(map(len, rows))
    return {
        "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in rows]),
        "attention_mask": torch.tensor(
            [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        ),
    }


def vectors(model: Any, rows: list[list[int]]) -> torch.Tensor:
    """Returns the text vectors of token rows."""
    with torch.no_grad():
        return model.eval().encode(**padded(rows))
