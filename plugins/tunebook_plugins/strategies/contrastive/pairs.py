"""Pairs of texts, drawn from few labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from tunebook.errors import DataError, Problem


@dataclass(frozen=True)
class Pairs:
    """p pairs of rows.

    Attributes:
        left: Shape (p,), row of one text.
        right: Shape (p,), row of the other.
        same: Shape (p,), whether both are of one class.
    """

    left: np.ndarray
    right: np.ndarray
    same: np.ndarray


def draw_pairs(classes: np.ndarray, per_row: int, rng: np.random.Generator) -> Pairs:
    """Returns `per_row` pairs for each row, half of them with its own class.

    Partners are drawn with replacement: a class of few texts gives the same pair more than once,
    so that it isn't drowned by the many pairs of different classes. A row that is alone in its
    class has pairs with other classes only.

    Args:
        classes: Shape (n,), class numbers.
        per_row: Pairs of one row, at least two.
        rng: Where chance comes from.

    Raises:
        DataError: No class has two rows, or there is only one class.
    """
    rows = np.arange(len(classes))
    alike = [rows[(classes == classes[row]) & (rows != row)] for row in rows]
    unlike = [rows[classes != classes[row]] for row in rows]
    if not any(map(len, alike)) or not any(map(len, unlike)):
        raise DataError(_no_pairs(len({*classes.tolist()}), len(classes)))
    counts = ((alike, per_row // 2, True), (unlike, per_row - per_row // 2, False))
    drawn = [
        (row, partner, same)
        for partners, count, same in counts
        for row in rows
        if len(partners[row])
        for partner in rng.choice(partners[row], count)
    ]
    left, right, same = map(np.array, zip(*drawn, strict=True))
    return Pairs(left, right, same)


@dataclass(frozen=True)
class PairInputs(Dataset[dict[str, torch.Tensor]]):
    """Batches of pairs. A text that several pairs of a batch share is encoded once.

    Attributes:
        texts: Tokenised texts: ``texts[rows]`` is a batch of them.
        text_lengths: Shape (n,), tokens of each text.
        pairs: What is compared.
    """

    texts: Any
    text_lengths: np.ndarray
    pairs: Pairs

    def __len__(self) -> int:
        return len(self.pairs.left)

    @property
    def lengths(self) -> np.ndarray:
        """Shape (p,), tokens of the longer text of each pair."""
        return np.maximum(self.text_lengths[self.pairs.left], self.text_lengths[self.pairs.right])

    def __getitem__(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Returns the batch: places of both texts among those that are encoded, and these."""
        left, right = self.pairs.left[rows], self.pairs.right[rows]
        used, places = np.unique(np.concatenate([left, right]), return_inverse=True)
        texts = {name: value for name, value in self.texts[used].items() if name != "labels"}
        first, second = torch.from_numpy(places).split(len(left))
        same = torch.from_numpy(self.pairs.same[rows])
        return {"left": first, "right": second, "same": same} | texts


def _no_pairs(classes: int, texts: int) -> Problem:
    return Problem(
        "strategy.no_pairs",
        "strategy",
        "two classes or more, and two texts or more in one of them",
        f"{texts} training texts in {classes} classes",
        "label a few more texts, or raise train_per_class",
    )
