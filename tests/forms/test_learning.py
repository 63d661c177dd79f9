"""What each kind of task learns with, against torch's and scikit-learn's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from tunebook.config import TaskConfig, TrainingConfig
from tunebook.forms import TASK_FORMS, Scale, form_of
from tunebook.forms.logistic import softmax

CLASSES = ("a", "b", "c")
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(80, 6))
MARKS = FEATURES @ RNG.normal(size=(6, 3)) + RNG.normal(size=(80, 3))
TARGETS = {
    "text_classification": MARKS.argmax(axis=1),
    "multi_label": (MARKS > 0).astype(np.int64),
    "regression": 50 + 4 * MARKS[:, 0],
}
assert {*TARGETS} == {*TASK_FORMS}


def form(kind: str, **task: Any) -> Any:
    scale = Scale(50.0, 4.0) if kind == "regression" else Scale()
    classes = () if kind == "regression" else CLASSES
    return form_of(TaskConfig(kind=kind, **task), classes, scale)


def logits_of(fit: Any) -> np.ndarray:
    return FEATURES @ fit.weight.T + fit.bias


@pytest.mark.parametrize("kind", TASK_FORMS)
def test_a_linear_model_is_better_than_a_constant(kind: str) -> None:
    it, targets = form(kind), TARGETS[kind]
    outputs = it.decode(logits_of(it.fit_linear(FEATURES, targets, 1.0, "none")))
    assert outputs.shape == (80, it.outputs)
    constant = np.tile(it.constant(targets), (80, 1))
    errors = [
        np.abs(it.predictions(targets, each).predicted - targets).mean()
        for each in (outputs, constant)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_logits_are_those_of_scikit_learn() -> None:
    targets = TARGETS["text_classification"]
    model = LogisticRegression(C=0.5, max_iter=1000).fit(FEATURES, targets)
    fit = form("text_classification").fit_linear(FEATURES, targets, 0.5, "none")
    assert softmax(logits_of(fit)) == pytest.approx(model.predict_proba(FEATURES), abs=1e-6)
    sets = TARGETS["multi_label"]
    fit = form("multi_label").fit_linear(FEATURES, sets, 0.5, "balanced")
    for column in range(3):
        one = LogisticRegression(C=0.5, class_weight="balanced").fit(FEATURES, sets[:, column])
        expected = one.predict_proba(FEATURES)[:, 1]
        found = form("multi_label").decode(logits_of(fit))[:, column]
        assert found == pytest.approx(expected, abs=1e-6)
    numbers = TARGETS["regression"]
    fit = form("regression").fit_linear(FEATURES, numbers, 0.5, "none")
    expected = Ridge(alpha=2.0).fit(FEATURES, (numbers - 50) / 4).predict(FEATURES) * 4 + 50
    assert form("regression").decode(logits_of(fit))[:, 0] == pytest.approx(expected)


def test_classes_that_all_or_none_have_are_no_trouble() -> None:
    sets = np.tile([1, 0, 1], (80, 1))
    sets[:40, 2] = 0
    fit = form("multi_label").fit_linear(FEATURES, sets, 1.0, "none")
    shares = form("multi_label").decode(logits_of(fit))
    assert shares[:, 0] == pytest.approx(80.5 / 81)
    assert shares[:, 1] == pytest.approx(0.5 / 81)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_losses_are_torchs(smoothing: float) -> None:
    logits = torch.from_numpy(MARKS).float()
    config = TrainingConfig(label_smoothing=smoothing)

    def loss(kind: str, scores: torch.Tensor) -> float:
        targets = TARGETS[kind]
        module = form(kind).loss(config, targets)
        return float(module(scores, torch.from_numpy(targets)))

    functional = torch.nn.functional
    wanted = functional.cross_entropy(
        logits, torch.from_numpy(TARGETS["text_classification"]), label_smoothing=smoothing
    )
    assert loss("text_classification", logits) == pytest.approx(float(wanted))
    sides = torch.from_numpy(TARGETS["multi_label"]).float() * (1 - smoothing) + smoothing / 2
    wanted = functional.binary_cross_entropy_with_logits(logits, sides)
    assert loss("multi_label", logits) == pytest.approx(float(wanted))
    numbers = torch.from_numpy((TARGETS["regression"] - 50) / 4).float()
    wanted = ((logits[:, 0] - numbers) ** 2).mean()
    assert loss("regression", logits[:, :1]) == pytest.approx(float(wanted))


def test_class_weights_make_up_for_imbalance() -> None:
    single = form("text_classification")
    targets = np.repeat([0, 1, 2], [90, 10, 10])
    weights = single.class_weights(targets, "balanced")
    assert weights[1] / weights[0] == pytest.approx(9)
    roots = single.class_weights(targets, "sqrt")
    assert roots[1] / roots[0] == pytest.approx(3)
    assert weights[targets].mean() == pytest.approx(1)
    sets = np.zeros((100, 3), dtype=int)
    sets[:10, 0] = sets[:50, 1] = 1
    several = form("multi_label")
    assert several.class_weights(sets, "balanced") == pytest.approx([9, 1, 100])
    assert several.class_weights(sets, "sqrt") == pytest.approx([3, 1, 10])
    for it in (single, several):
        assert it.class_weights(sets, "none") is None


def test_answers_are_in_words_and_in_the_unit_of_the_data() -> None:
    (one,) = form("text_classification").answers(np.array([[0.2, 0.7, 0.1]]))
    assert (one["label"], one["confidence"]) == ("b", 0.7)
    some, none = form("multi_label").answers(np.array([[0.5, 0.9, 0.1], [0.1, 0.2, 0.3]]))
    assert (some["labels"], none["labels"]) == (["a", "b"], [])
    assert none["confidence"] == pytest.approx(0.9 * 0.8 * 0.7)
    it = form("regression")
    assert it.answers(it.decode(np.array([[-1.0]]))) == [{"value": 46.0}]


def test_a_constant_is_the_most_frequent_set_or_the_mean() -> None:
    sets = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 0]])
    assert form("multi_label").constant(sets).tolist() == [1, 1, 0]
    assert form("regression").constant(np.array([1.0, 2.0, 6.0])).tolist() == [3.0]
