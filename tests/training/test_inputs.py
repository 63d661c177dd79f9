"""Batches of tokens and of features, and documents made of several windows."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tunebook.forms.logistic import softmax
from tunebook.training.inputs import FeatureInputs, PrefixInputs, TokenInputs, subset
from tunebook.training.precision import Precision, choose_precision
from tunebook.training.predict import predict_logits

FP32 = Precision("fp32", "")


def windows() -> TokenInputs:
    """Two documents: the first has two windows, the second one."""
    ids = [[5, 6, 7], [8], [9, 9]]
    return TokenInputs(ids, np.array([0, 0, 1]), np.array([1, 0]), pad=0)


class CountTokens(nn.Module):
    """Logits are (number of tokens, first token)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        tokens = attention_mask.sum(dim=1).float()
        return torch.stack([tokens, input_ids[:, 0].float()], dim=1) * self.scale


def test_a_batch_is_padded_to_its_own_longest() -> None:
    batch = windows()[[1, 2]]
    assert batch["input_ids"].tolist() == [[8, 0], [9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 0], [1, 1]]


def test_a_window_carries_the_label_of_its_document() -> None:
    assert windows()[[0, 1, 2]]["labels"].tolist() == [1, 1, 0]


def test_windows_are_averaged_per_document() -> None:
    logits = predict_logits(CountTokens(), windows(), batch_size=2, precision=FP32)
    assert logits.tolist() == [[2.0, 6.5], [2.0, 9.0]]


def test_prediction_does_not_depend_on_the_batch_size() -> None:
    results = [predict_logits(CountTokens(), windows(), size, FP32) for size in (1, 2, 3)]
    assert all(np.array_equal(results[0], other) for other in results)


def test_prediction_leaves_the_model_in_training_mode_if_it_was() -> None:
    model = CountTokens().train()
    predict_logits(model, windows(), 2, FP32)
    assert model.training


def test_a_subset_keeps_all_windows_of_its_documents() -> None:
    part = subset(windows(), np.array([0]))
    assert (len(part), part.documents, part.targets.tolist()) == (2, 1, [1])
    other = subset(windows(), np.array([1]))
    assert other[[0]]["input_ids"].tolist() == [[9, 9]]
    assert other.document.tolist() == [0]


def test_features_stand_in_the_places_of_tokens() -> None:
    features, documents = np.eye(3, dtype=np.float32), np.array([0, 0, 1])
    inputs = FeatureInputs(features, documents, np.array([1, 0]), np.array([4, 2, 7]))
    batch = inputs[[2, 0]]
    assert batch["features"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [0, 1]


def test_probabilities_add_up_to_one_for_huge_logits() -> None:
    rows = softmax(np.array([[1e4, -1e4, 0], [0, 0, 0]], dtype=np.float32))
    assert np.allclose(rows.sum(axis=1), 1)
    assert rows[0, 0] == 1


def test_precision_is_chosen_with_a_reason() -> None:
    chosen = choose_precision("auto")
    assert chosen.name in ("fp32", "bf16", "fp16")
    assert chosen.why
    assert choose_precision("fp32") == Precision("fp32", "the case asks for it")


def with_states() -> PrefixInputs:
    """Three documents of one, three and two tokens; a token's state is its own number, twice."""
    tokens = TokenInputs([[7], [4, 5, 6], [8, 9]], np.array([0, 1, 2]), np.array([1, 0, 1]), pad=0)
    states = np.array([[n, n] for ids in tokens.input_ids for n in ids], dtype=np.float32)
    return PrefixInputs(tokens, states)


def test_states_stand_where_their_tokens_do() -> None:
    batch = with_states()[[2, 0, 1]]
    assert batch["input_ids"].tolist() == [[8, 9, 0], [7, 0, 0], [4, 5, 6]]
    assert torch.equal(batch["states"], batch["input_ids"].float().unsqueeze(-1).repeat(1, 1, 2))


def test_a_subset_keeps_the_states_of_its_documents() -> None:
    part = subset(with_states(), np.array([2, 1]))
    assert part.targets is not None
    batch = part[range(len(part))]
    assert len(part) == 2
    assert batch["labels"].tolist() == part.targets[part.document].tolist()
    assert torch.equal(batch["states"][..., 0], batch["input_ids"].float())
