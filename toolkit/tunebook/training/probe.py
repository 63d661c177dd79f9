"""A head that starts from a linear model of frozen features instead of chance."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tunebook.forms import TaskForm
from tunebook.training.inputs import Inputs


def init_head_from_probe(
    model: nn.Module,
    features: np.ndarray,
    inputs: Inputs,
    form: TaskForm,
    *,
    c: float,
    balanced: bool = False,
) -> None:
    """Fits a linear model on frozen features and puts it into the linear head.

    Which model it is the form of the task says: a logistic regression, one for each class, or a
    ridge regression. Fine-tuning from a random head changes good features before the head has
    learnt to read them (Kumar et al. 2022, arXiv:2202.10054).

    Args:
        model: Classifier whose ``head.linear`` is set.
        features: Shape (n, h), pooled outputs of the backbone.
        inputs: The inputs they were made from, with targets.
        form: What the targets are.
        c: Inverse regularisation strength.
        balanced: Weigh classes by inverse frequency.
    """
    linear = model.head.linear
    vectors = model.head.normalise(torch.from_numpy(np.array(features, dtype=np.float32))).numpy()
    targets = inputs.targets[inputs.document]
    weight, bias = form.fit_linear(vectors, targets, c, "balanced" if balanced else "none")
    # a class that was never seen starts as the least likely one
    bias = np.where(np.isfinite(bias), bias, bias[np.isfinite(bias)].min())
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(bias))
