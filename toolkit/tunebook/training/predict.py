"""Logits of documents, and pooled features of inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from tunebook.training.batching import longest_first
from tunebook.training.inputs import Inputs
from tunebook.training.precision import Precision


def predict_logits(
    model: nn.Module, inputs: Inputs, batch_size: int, precision: Precision
) -> np.ndarray:
    """Returns logits, shape (documents, classes), float32; windows are averaged per document."""
    logits = _over_batches(model, inputs, batch_size, precision, lambda batch: model(**batch))
    sums = np.zeros((inputs.documents, logits.shape[1]), dtype=np.float64)
    np.add.at(sums, inputs.document, logits)
    counts = np.bincount(inputs.document, minlength=inputs.documents)
    return (sums / counts[:, None]).astype(np.float32)


def encode_features(
    model: nn.Module, inputs: Inputs, batch_size: int, precision: Precision
) -> np.ndarray:
    """Returns the pooled output of the backbone, shape (inputs, width), float32."""
    return _over_batches(model, inputs, batch_size, precision, lambda batch: model.encode(**batch))


def _over_batches(
    model: nn.Module,
    inputs: Inputs,
    batch_size: int,
    precision: Precision,
    function: Callable[[dict[str, torch.Tensor]], torch.Tensor],
) -> np.ndarray:
    where = next(model.parameters()).device
    was_training = model.training
    model.eval()
    result: np.ndarray | None = None
    try:
        # in inference_mode torch 2.13 takes a linear layer on a tensor that isn't contiguous apart
        # into one small product a token, so that AdapterFusion is forty times as slow
        with torch.no_grad(), precision.autocast():
            for rows in longest_first(inputs.lengths, batch_size):
                batch = {k: v.to(where) for k, v in inputs[rows].items() if k != "labels"}
                values = function(batch).float().cpu().numpy()
                if result is None:
                    result = np.empty((len(inputs), values.shape[1]), dtype=np.float32)
                result[rows] = values
    finally:
        model.train(was_training)
    if result is None:
        raise ValueError("there is nothing to predict")
    return result
