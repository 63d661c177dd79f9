"""Contrastive tuning: right pairs, an encoder that tells classes apart, a head fitted on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from fresh_process import fresh_logits
from preparing import changed, copies, prepare, run, trainable
from tunebook.errors import DataError
from tunebook.models.load import load_backbone
from tunebook.training.inputs import TokenInputs
from tunebook_plugins.strategies.contrastive.impl import LOSSES, Similarity
from tunebook_plugins.strategies.contrastive.pairs import PairInputs, Pairs, draw_pairs
from tunebook_plugins.strategies.contrastive.plugin import ContrastiveConfig

CLASSES = np.repeat([0, 1, 2], [8, 3, 2])
TEXTS = ["heart valve acute", "skin rash mild", "lung cough"]
FAST: dict[str, Any] = {"kind": "contrastive", "learning_rate": 1e-3, "pairs_per_text": 6}


@pytest.mark.parametrize("per_row", [2, 5, 20])
def test_half_of_the_pairs_are_of_one_class(per_row: int) -> None:
    pairs = draw_pairs(CLASSES, per_row, np.random.default_rng(0))
    assert len(pairs.left) == per_row * len(CLASSES)
    assert pairs.same.sum() == per_row // 2 * len(CLASSES)
    assert np.array_equal(CLASSES[pairs.left] == CLASSES[pairs.right], pairs.same)
    assert (pairs.left != pairs.right).all()
    assert np.bincount(pairs.left).tolist() == [per_row] * len(CLASSES)


def test_a_lone_text_has_pairs_with_other_classes_only() -> None:
    pairs = draw_pairs(np.array([0, 0, 1]), 4, np.random.default_rng(0))
    assert np.bincount(pairs.left).tolist() == [4, 4, 2]
    assert not pairs.same[pairs.left == 2].any()


@pytest.mark.parametrize("classes", [[0, 1, 2], [0, 0, 0]])
def test_labels_that_make_no_pairs_are_refused(classes: list[int]) -> None:
    with pytest.raises(DataError) as caught:
        draw_pairs(np.array(classes), 4, np.random.default_rng(0))
    assert caught.value.problems[0].code == "strategy.no_pairs"


def test_a_text_that_pairs_share_is_encoded_once() -> None:
    texts = TokenInputs([[2, 7, 3], [2, 8, 9, 3], [2, 5, 3]], np.arange(3), np.zeros(3, int), 0)
    pairs = Pairs(np.array([0, 1, 0]), np.array([1, 0, 0]), np.array([True, False, True]))
    inputs = PairInputs(texts, texts.lengths, pairs)
    assert len(inputs) == 3
    assert inputs.lengths.tolist() == [4, 4, 3]
    batch = inputs[[0, 1]]
    assert batch["input_ids"].tolist() == [[2, 7, 3, 0], [2, 8, 9, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert (batch["left"].tolist(), batch["right"].tolist()) == ([0, 1], [1, 0])
    assert batch["same"].tolist() == [True, False]
    assert {*batch} == {"left", "right", "same", "input_ids", "attention_mask"}


def test_losses_ask_for_what_they_say() -> None:
    cosines = torch.tensor([0.8, 0.8, 0.2])
    same = torch.tensor([True, False, False])
    config = ContrastiveConfig(margin=0.5)
    expected = {"cosine": (0.04 + 0.64 + 0.04) / 3, "margin": (0.04 + 0.09 + 0.0) / 3}
    assert {*expected} == {*LOSSES}
    for name, value in expected.items():
        assert float(LOSSES[name](config)(cosines, same)) == pytest.approx(value)


def test_the_loss_is_of_the_text_vectors(tiny_bert: Path) -> None:
    model = prepare(tiny_bert, FAST).model.eval()
    ids = torch.tensor([[2, 7, 8, 3], [2, 20, 21, 3]])
    texts = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    one, other = model.encode(**texts)
    cosine = torch.nn.functional.cosine_similarity(one, other, dim=0)
    pair = torch.tensor([0]), torch.tensor([1])
    learner = Similarity(model, LOSSES["cosine"](ContrastiveConfig()))
    assert torch.allclose(learner(*pair, torch.tensor([False]), **texts), cosine**2)
    assert torch.allclose(learner(*pair, torch.tensor([True]), **texts), (1 - cosine) ** 2)


@pytest.mark.parametrize("loss", ["cosine", "margin"])
def test_the_encoder_learns_to_tell_classes_apart(
    tiny_bert: Path, tmp_path: Path, loss: str
) -> None:
    """One step at no rate follows, so that what is measured is what the stage has made."""
    rest = {"min_steps": 0, "max_steps": 1, "learning_rate": 1e-30, "head_learning_rate": 1e-30}
    trained = run(tiny_bert, tmp_path, FAST | {"loss": loss}, **rest)
    assert trained.report.scores["macro_f1"].value > 0.9
    model = trained.classifier.model
    before, after = gap(prepare(tiny_bert, FAST).model.eval()), gap(model)
    assert after > 5 * before > 0


def gap(model: torch.nn.Module) -> float:
    """Returns how much more alike texts of one class are than texts of two, as cosines."""
    numbers = {word: number for number, word in enumerate(tiny.vocabulary())}
    rows = tiny.rows()[:60]
    ids = torch.tensor([[2, *(numbers[w] for w in row["text"].split()), 3] for row in rows])
    with torch.inference_mode():
        vectors = model.encode(input_ids=ids, attention_mask=torch.ones_like(ids))
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    labels = [row["label"] for row in rows]
    same = torch.tensor([[one == other for other in labels] for one in labels])
    cosines = unit @ unit.T
    return float(cosines[same].mean() - cosines[~same].mean())


def test_the_stage_is_told_and_recorded(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, FAST)
    stage = trained.record.training["contrastive"]
    assert stage["pairs"] == 6 * trained.record.data["splits"]["train"] == 756
    assert stage["steps"] == -(-756 // 32)
    told = [event for event in trained.events if event["type"] == "stage_step"]
    assert [event["step"] for event in told] == list(range(1, stage["steps"] + 1))
    assert {event["stage"] for event in told} == {"contrastive"}
    losses = [event["loss"] for event in told]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 2
    assert trained.record.parameters["share"] == 1.0


@pytest.mark.slow
def test_steps_are_bounded(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, FAST | {"max_steps": 3})
    assert trained.record.training["contrastive"]["steps"] == 3


@pytest.mark.slow
def test_frozen_embeddings_stay_bit_by_bit(tiny_bert: Path, tmp_path: Path) -> None:
    config = FAST | {"embeddings": "freeze", "max_steps": 3}
    trained = run(tiny_bert, tmp_path, config).classifier.model
    pretrained = dict(load_backbone(tiny_bert).named_parameters())
    frozen = {name for name in pretrained if name.endswith("embeddings.weight")}
    assert len(frozen) == 3
    moved = changed(trained.backbone, pretrained)
    assert moved == {*pretrained} - frozen


def test_preparing_changes_no_weight(tiny_bert: Path) -> None:
    """A saved model is loaded into what `prepare` makes; pairs are for a training only."""
    prepared = prepare(tiny_bert, FAST)
    before = copies(prepared.model)
    pretrained = dict(load_backbone(tiny_bert).named_parameters())
    assert all(torch.equal(before[f"backbone.{name}"], p) for name, p in pretrained.items())
    assert trainable(prepared.model) == {*before}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_logits(tiny_bert: Path, tmp_path: Path) -> None:
    first, second = (run(tiny_bert, tmp_path, FAST).classifier.logits(TEXTS) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_logits(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, FAST | {"embeddings": "freeze"})
    assert fresh_logits(trained.directory.path, TEXTS) == trained.classifier.logits(TEXTS).tolist()


@pytest.mark.slow
def test_decoders_are_tuned_too(tiny_gpt2: Path, tmp_path: Path) -> None:
    trained = run(tiny_gpt2, tmp_path, FAST)
    assert trained.report.scores["macro_f1"].value > 0.9
