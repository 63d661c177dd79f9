"""Batches of texts of like length, in random order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import BatchSampler

POOL = 50
"""Batches that are sorted by length together; larger pools pad less and mix less."""


class ShuffledBuckets(BatchSampler):
    """Shuffles rows, sorts them by length within pools, cuts batches, and shuffles the batches.

    Without the last step the batches of a pool come longest first and the model collapses
    (transformers' `group_by_length` does that).

    Args:
        lengths: Shape (n,), tokens of each row.
        batch_size: Rows in a batch; the last batch of an epoch may be smaller.
        seed: Order is a function of seed and epoch alone.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.drop_last = False
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        rows = rng.permutation(len(self.lengths))
        size = self.batch_size * POOL
        pools = [rows[start : start + size] for start in range(0, len(rows), size)]
        ordered = np.concatenate(
            [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        )
        # a short batch must not always hold the longest texts: cut at a random place
        shift = int(rng.integers(self.batch_size)) if len(ordered) % self.batch_size else 0
        ordered = np.roll(ordered, shift)
        batches = [
            ordered[start : start + self.batch_size].tolist()
            for start in range(0, len(ordered), self.batch_size)
        ]
        for number in rng.permutation(len(batches)):
            yield batches[number]


def longest_first(lengths: np.ndarray, batch_size: int) -> list[list[int]]:
    """Returns batches for prediction, where order doesn't matter and padding costs."""
    rows = np.argsort(-lengths, kind="stable")
    return [rows[start : start + batch_size].tolist() for start in range(0, len(rows), batch_size)]
