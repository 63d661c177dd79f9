"""What the model is fed with: tokens, or features made of them. Items are whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from tunebook.data.tokens import Encoded
from tunebook.models.load import tells_segments

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TokenInputs(Dataset[Batch]):
    """Token numbers of n inputs; a document has one of them, or several windows.

    Attributes:
        input_ids: Token numbers of each input.
        document: Shape (n,), the document that each input is of.
        targets: Shape (documents, …), see `TaskForm.targets`; None when they aren't known.
        pad: Token number that fills short rows of a batch.
        second: Shape (n,), place of the first token of the second segment, for models that tell
            segments apart; None for the others.
    """

    input_ids: Sequence[Sequence[int]]
    document: np.ndarray
    targets: np.ndarray | None
    pad: int
    second: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def documents(self) -> int:
        return int(self.document.max()) + 1 if len(self.document) else 0

    @cached_property
    def lengths(self) -> np.ndarray:
        """Shape (n,), tokens of each input."""
        return np.fromiter((len(ids) for ids in self.input_ids), dtype=np.int64, count=len(self))

    @cached_property
    def starts(self) -> np.ndarray:
        """Shape (n,), how many tokens stand before each input."""
        return np.cumsum(self.lengths) - self.lengths

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        """Returns one batch, padded to its own longest input."""
        longest = max(len(self.input_ids[row]) for row in rows)
        ids = torch.full((len(rows), longest), self.pad, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens = self.input_ids[row]
            ids[place, : len(tokens)] = torch.as_tensor(tokens)
            mask[place, : len(tokens)] = 1
        return (
            {"input_ids": ids, "attention_mask": mask}
            | self._segments(rows, mask)
            | _labels(self, rows)
        )

    def _segments(self, rows: Sequence[int], mask: torch.Tensor) -> Batch:
        if self.second is None:
            return {}
        starts = torch.from_numpy(self.second[np.asarray(rows)])[:, None]
        return {"token_type_ids": (torch.arange(mask.shape[1]) >= starts) * mask}


@dataclass(frozen=True)
class FeatureInputs(Dataset[Batch]):
    """Pooled outputs of a frozen backbone, in the places of the tokens they were made from.

    Attributes:
        features: Shape (n, h), float32; may be memory-mapped.
        lengths: Shape (n,), the numbers of those tokens. Nothing is padded here; the batches are
            those that the tokens would have come in, so that a cache changes no training.
    """

    features: np.ndarray
    document: np.ndarray
    targets: np.ndarray | None
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    @property
    def documents(self) -> int:
        return int(self.document.max()) + 1 if len(self.document) else 0

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        features = torch.from_numpy(np.asarray(self.features[np.asarray(rows)], dtype=np.float32))
        return {"features": features} | _labels(self, rows)


@dataclass(frozen=True)
class PrefixInputs(Dataset[Batch]):
    """Tokens with the states that a frozen prefix makes of them.

    Attributes:
        tokens: The n inputs.
        states: Shape (tokens of all inputs, h); may be memory-mapped.
    """

    tokens: TokenInputs
    states: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def documents(self) -> int:
        return self.tokens.documents

    @property
    def document(self) -> np.ndarray:
        return self.tokens.document

    @property
    def targets(self) -> np.ndarray | None:
        return self.tokens.targets

    @property
    def lengths(self) -> np.ndarray:
        return self.tokens.lengths

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        """Returns one batch: tokens, and states (b, t, h) that are zero where it is padded."""
        batch = self.tokens[rows]
        states = np.zeros((*batch["input_ids"].shape, self.states.shape[1]), self.states.dtype)
        starts, lengths = self.tokens.starts, self.tokens.lengths
        for place, row in enumerate(rows):
            start, length = starts[row], lengths[row]
            states[place, :length] = self.states[start : start + length]
        return batch | {"states": torch.from_numpy(states)}

    def states_of(self, rows: np.ndarray) -> np.ndarray:
        """Returns the states of some inputs, one after another."""
        starts, lengths = self.tokens.starts, self.tokens.lengths
        return np.concatenate(
            [self.states[starts[row] : starts[row] + lengths[row]] for row in rows]
        )


Inputs = TokenInputs | FeatureInputs | PrefixInputs


def token_inputs(
    encoded: Encoded, targets: np.ndarray | None, model: nn.Module, tokenizer: Any
) -> TokenInputs:
    """Returns encoded texts as inputs of a model, with segments where it knows them."""
    paired = encoded.second is not None and tells_segments(model.backbone, tokenizer)
    second = encoded.second if paired else None
    pad = tokenizer.pad_token_id
    return TokenInputs(encoded.input_ids, encoded.document, targets, pad, second)


def _labels(inputs: Inputs, rows: Sequence[int]) -> Batch:
    if inputs.targets is None:
        return {}
    targets = torch.from_numpy(inputs.targets[inputs.document[np.asarray(rows)]])
    # not every device has float64
    return {"labels": targets.float() if targets.is_floating_point() else targets}


def subset(inputs: Inputs, documents: np.ndarray) -> Inputs:
    """Returns the inputs of some documents, which are numbered anew in the order given."""
    number = np.full(inputs.documents, -1, dtype=np.int64)
    number[documents] = np.arange(len(documents))
    rows = np.flatnonzero(number[inputs.document] >= 0)
    document = number[inputs.document[rows]]
    targets = None if inputs.targets is None else inputs.targets[documents]
    if isinstance(inputs, FeatureInputs):
        return FeatureInputs(inputs.features[rows], document, targets, inputs.lengths[rows])
    if isinstance(inputs, PrefixInputs):
        return PrefixInputs(_rows(inputs.tokens, rows, document, targets), inputs.states_of(rows))
    return _rows(inputs, rows, document, targets)


def _rows(
    tokens: TokenInputs, rows: np.ndarray, document: np.ndarray, targets: np.ndarray | None
) -> TokenInputs:
    second = None if tokens.second is None else tokens.second[rows]
    ids = [tokens.input_ids[row] for row in rows]
    return TokenInputs(ids, document, targets, tokens.pad, second)
