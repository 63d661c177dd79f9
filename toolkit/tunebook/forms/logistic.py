"""Logistic regressions as plain weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from tunebook.forms.form import LinearFit

MOST_ITERATIONS = 1000


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of each row, float64."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return shifted / shifted.sum(axis=1, keepdims=True)


def fit_multinomial(
    features: Any, targets: np.ndarray, k: int, c: float, class_weights: str
) -> LinearFit:
    """Returns weights whose softmax are the probabilities of k classes.

    A class without a row has a bias of minus infinity. A model of two classes has one row of
    weights, which is mirrored.
    """
    present = np.unique(targets)
    weight = np.zeros((k, features.shape[1]))
    bias = np.full(k, -np.inf)
    if len(present) < 2:
        bias[present] = 0.0
        return LinearFit(weight, bias)
    model = _fit(features, targets, c, _by_class(targets, class_weights))
    coefficients, intercepts = model.coef_, model.intercept_
    if len(coefficients) == 1:
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight[model.classes_], bias[model.classes_] = coefficients, intercepts
    return LinearFit(weight, bias)


def fit_one_vs_rest(features: Any, targets: np.ndarray, c: float, class_weights: str) -> LinearFit:
    """Returns weights whose sigmoids are the probabilities of k classes, each by itself.

    Args:
        features: Shape (n, h).
        targets: Shape (n, k), of 0 and 1. A class that all rows have, or none, gets the logit of
            its share, for which half a row is added to either side.
        c: Inverse regularisation strength.
        class_weights: ``none``, or anything else to weigh both sides by inverse frequency.
    """
    n, k = targets.shape
    positive = targets.sum(axis=0)
    weight = np.zeros((k, features.shape[1]))
    bias = np.log((positive + 0.5) / (n - positive + 0.5))
    for column in np.flatnonzero((positive > 0) & (positive < n)):
        sides = targets[:, column]
        model = _fit(features, sides, c, _by_class(sides, class_weights))
        weight[column], bias[column] = model.coef_[0], model.intercept_[0]
    return LinearFit(weight, bias)


def _fit(features: Any, targets: np.ndarray, c: float, weights: Mapping[int, float] | None) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # neither a baseline nor a start value needs an exact optimum
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=c, max_iter=MOST_ITERATIONS, class_weight=weights)
        return model.fit(features, targets)


def _by_class(targets: np.ndarray, class_weights: str) -> dict[int, float] | None:
    if class_weights == "none":
        return None
    counts = np.bincount(targets)
    present = np.flatnonzero(counts)
    balanced = len(targets) / (len(present) * counts[present])
    weights = balanced if class_weights == "balanced" else np.sqrt(balanced)
    return dict(zip(present.tolist(), weights.tolist(), strict=True))
