"""A head that starts from a logistic regression instead of chance."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import nn

from tunebook.training.inputs import Inputs


def init_head_from_probe(
    model: nn.Module, features: np.ndarray, inputs: Inputs, *, c: float, balanced: bool
) -> None:
    """Fits a logistic regression on frozen features and puts it into the linear head.

    Fine-tuning from a random head changes good features before the head has learnt to read them
    (Kumar et al. 2022, arXiv:2202.10054).

    Args:
        model: Classifier whose ``head.linear`` is set.
        features: Shape (n, h), pooled outputs of the backbone.
        inputs: The inputs they were made from, with targets.
        c: Inverse regularisation strength.
        balanced: Weight classes by inverse frequency.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    linear = model.head.linear
    vectors = model.head.normalise(torch.from_numpy(np.array(features, dtype=np.float32))).numpy()
    targets = inputs.targets[inputs.document]
    probe = LogisticRegression(C=c, max_iter=200, class_weight="balanced" if balanced else None)
    with warnings.catch_warnings():
        # a start value needs no exact optimum
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(vectors, targets)
    weight, bias = _all_classes(probe, linear.out_features)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(bias))


def _all_classes(probe: object, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns weights (k, h) and biases (k,); a binary model gives one row, which is mirrored."""
    coefficients, intercepts = probe.coef_, probe.intercept_
    if len(coefficients) == 1:
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight = np.zeros((classes, coefficients.shape[1]), dtype=np.float32)
    bias = np.full(classes, intercepts.min(), dtype=np.float32)
    weight[probe.classes_], bias[probe.classes_] = coefficients, intercepts
    return weight, bias
