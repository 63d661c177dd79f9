"""What the model is fed with: tokens, or features made of them. Items are whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TokenInputs(Dataset[Batch]):
    """Token numbers of n inputs; a document has one of them, or several windows.

    Attributes:
        input_ids: Token numbers of each input.
        document: Shape (n,), the document that each input is of.
        targets: Shape (documents,), class numbers; None when they aren't known.
        pad: Token number that fills short rows of a batch.
    """

    input_ids: Sequence[Sequence[int]]
    document: np.ndarray
    targets: np.ndarray | None
    pad: int

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def documents(self) -> int:
        return int(self.document.max()) + 1 if len(self.document) else 0

    @property
    def lengths(self) -> np.ndarray:
        """Shape (n,), tokens of each input."""
        return np.fromiter((len(ids) for ids in self.input_ids), dtype=np.int64, count=len(self))

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        """Returns one batch, padded to its own longest input."""
        longest = max(len(self.input_ids[row]) for row in rows)
        ids = torch.full((len(rows), longest), self.pad, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens = self.input_ids[row]
            ids[place, : len(tokens)] = torch.as_tensor(tokens)
            mask[place, : len(tokens)] = 1
        return {"input_ids": ids, "attention_mask": mask} | _labels(self, rows)


@dataclass(frozen=True)
class FeatureInputs(Dataset[Batch]):
    """Pooled outputs of a frozen backbone, in the places of the tokens they were made from.

    Attributes:
        features: Shape (n, h), float32; may be memory-mapped.
    """

    features: np.ndarray
    document: np.ndarray
    targets: np.ndarray | None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def documents(self) -> int:
        return int(self.document.max()) + 1 if len(self.document) else 0

    @property
    def lengths(self) -> np.ndarray:
        return np.ones(len(self), dtype=np.int64)

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        features = torch.from_numpy(np.asarray(self.features[np.asarray(rows)], dtype=np.float32))
        return {"features": features} | _labels(self, rows)


Inputs = TokenInputs | FeatureInputs


def _labels(inputs: Inputs, rows: Sequence[int]) -> Batch:
    if inputs.targets is None:
        return {}
    return {"labels": torch.from_numpy(inputs.targets[inputs.document[np.asarray(rows)]])}


def subset(inputs: Inputs, documents: np.ndarray) -> Inputs:
    """Returns the inputs of some documents, which are numbered anew in the order given."""
    number = np.full(inputs.documents, -1, dtype=np.int64)
    number[documents] = np.arange(len(documents))
    rows = np.flatnonzero(number[inputs.document] >= 0)
    document = number[inputs.document[rows]]
    targets = None if inputs.targets is None else inputs.targets[documents]
    if isinstance(inputs, TokenInputs):
        return TokenInputs([inputs.input_ids[row] for row in rows], document, targets, inputs.pad)
    return FeatureInputs(inputs.features[rows], document, targets)
