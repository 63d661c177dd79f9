"""Batches of several tasks, each task as often as the temperature says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from tunebook.training.batching import ShuffledBuckets
from tunebook.training.inputs import Inputs


class TaskMixture(Dataset[dict[str, Any]]):
    """The inputs of several tasks, one after another; a batch is of one task and says which.

    Args:
        inputs: By task, what it is trained on.
        temperature: See `shares`.
    """

    def __init__(self, inputs: Mapping[str, Inputs], temperature: float = 1.0) -> None:
        self.inputs = dict(inputs)
        self.temperature = temperature
        self.starts = np.cumsum([0, *(len(each) for each in self.inputs.values())])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def lengths(self) -> np.ndarray:
        """Shape (n,), tokens of each input."""
        return np.concatenate([each.lengths for each in self.inputs.values()])

    @property
    def shares(self) -> dict[str, float]:
        """Share of each task in the batches."""
        sizes = [len(each) for each in self.inputs.values()]
        return dict(zip(self.inputs, shares(sizes, self.temperature), strict=True))

    def __getitem__(self, rows: Sequence[int]) -> dict[str, Any]:
        """Returns the batch of some rows, which are of one task."""
        number = int(np.searchsorted(self.starts, rows[0], side="right")) - 1
        name = [*self.inputs][number]
        start = int(self.starts[number])
        return {**self.inputs[name][[row - start for row in rows]], "task": name}


class MixedBuckets:
    """Batch sampler over a mixture: each task has its own shuffled length buckets.

    An epoch has as many batches as all inputs fill. A task gets its share of them, one at least,
    and goes on in the next epoch where it has stopped; it is repeated when it has come to its end.

    Args:
        mixture: What the batches are of.
        batch_size: Rows in a batch.
        seed: Order is a function of seed and epoch alone.
    """

    def __init__(self, mixture: TaskMixture, batch_size: int, seed: int) -> None:
        self.batch_size = batch_size
        self.drop_last = False
        self.seed = seed
        self.epoch = 0
        self.buckets = [
            ShuffledBuckets(each.lengths, batch_size, seed) for each in mixture.inputs.values()
        ]
        self.starts = [int(start) for start in mixture.starts[:-1]]
        batches = max(-(-len(mixture) // batch_size), len(self.buckets))
        self.quotas = quotas([*mixture.shares.values()], batches)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(self.quotas)

    def __iter__(self) -> Iterator[list[int]]:
        batches = [batch for number in range(len(self.buckets)) for batch in self._of(number)]
        rng = np.random.default_rng((self.seed, self.epoch))
        for place in rng.permutation(len(batches)):
            yield batches[place]

    def _of(self, number: int) -> Iterator[list[int]]:
        """Yields this epoch's batches of one task, out of its endless row of own epochs."""
        buckets, start, quota = self.buckets[number], self.starts[number], self.quotas[number]
        first = self.epoch * quota
        for own_epoch in range(first // len(buckets), (first + quota - 1) // len(buckets) + 1):
            buckets.set_epoch(own_epoch)
            for place, rows in enumerate(buckets, own_epoch * len(buckets)):
                if first <= place < first + quota:
                    yield [row + start for row in rows]


def bucketed(inputs: Any, batch_size: int, seed: int) -> ShuffledBuckets | MixedBuckets:
    """Returns the batch sampler that suits `inputs`."""
    if isinstance(inputs, TaskMixture):
        return MixedBuckets(inputs, batch_size, seed)
    return ShuffledBuckets(inputs.lengths, batch_size, seed)


def shares(sizes: Sequence[int], temperature: float) -> list[float]:
    """Returns shares in proportion to size^(1/temperature); they add up to one.

    Raffel et al. 2020, arXiv:1910.10683, section 3.5.2.
    """
    # of the largest, since high powers of large sizes would lose digits
    scaled = (np.asarray(sizes, dtype=np.float64) / max(sizes)) ** (1 / temperature)
    found: list[float] = (scaled / scaled.sum()).tolist()
    return found


def quotas(parts: Sequence[float], total: int) -> list[int]:
    """Returns whole numbers, one at least, that share out `total` by the largest remainder."""
    exact = np.asarray(parts) * total
    found = np.floor(exact + 1e-9).astype(int)  # 0.1 · 30 is a little below 3
    found[np.argsort(found - exact, kind="stable")[: total - found.sum()]] += 1
    for number in np.flatnonzero(found == 0):
        found[found.argmax()] -= 1
        found[number] = 1
    return [int(number) for number in found]
