"""Several processes that train one model together: who is who, and what each has a share of.

Every process goes through the same batches in the same order and takes its share of the rows of
each, so that `training.batch_size` stays the number of rows in a step. Gradients are averaged over
the processes (DistributedDataParallel); the loss of a share is scaled by what it weighs in the
batch, so that the average is the gradient of the whole batch, up to the order of sums. What is
random in the model (dropout) is drawn by each process on its own, unlike in one process.

All processes read data and build the model; only the first scores, writes, saves and tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn
from torch.utils.data import Dataset

WAIT = timedelta(days=30)
"""The others wait while the first scores; the watchdog of the run knows when it is too long, and
the launcher ends all when one has died."""


def join() -> None:
    """Joins the processes that the launcher has started along with this one, on a CPU.

    Where there are GPUs, accelerate does so.
    """
    if not torch.cuda.is_available() and not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=WAIT)


def count() -> int:
    """Returns the number of processes; 1 where there is no group."""
    return distributed.get_world_size() if _grouped() else 1


def number() -> int:
    """Returns this process's number, from 0."""
    return distributed.get_rank() if _grouped() else 0


def is_first() -> bool:
    """Whether this process scores, writes and tells."""
    return number() == 0


def about() -> dict[str, Any]:
    """Returns what the record says of the processes; nothing where there is one."""
    if count() == 1:
        return {}
    backend = str(distributed.get_backend())
    found = {"count": count(), "backend": backend, "threads": torch.get_num_threads()}
    return {"processes": found}


def seed_apart(seed: int) -> None:
    """Seeds torch so that no two processes draw the same; the first draws as if it were alone."""
    if number():
        torch.manual_seed((seed * 1_000_003 + number()) % 2**63)


def of_first(scores: Mapping[str, float] | None) -> dict[str, float]:
    """Returns the scores that the first process has, after waiting for them."""
    box = [None if scores is None else dict(scores)]
    if count() > 1:
        distributed.broadcast_object_list(box, src=0)
    assert box[0] is not None
    return box[0]


def mean(value: torch.Tensor) -> torch.Tensor:
    """Returns the mean over the processes."""
    return total(value) / count()


def total(value: torch.Tensor) -> torch.Tensor:
    """Returns the sum over the processes."""
    if count() == 1:
        return value
    value = value.detach().clone()
    distributed.all_reduce(value)
    return value


class Shares(Dataset[dict[str, Any]]):
    """This process's rows of batches: every so many-th, since rows lie in the order of length.

    A process without rows of its own in a short batch takes the first, which then doesn't count:
    the others wait for its gradients.
    """

    def __init__(self, inputs: Any) -> None:
        self.inputs = inputs

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Sequence[int]) -> dict[str, Any]:
        own = rows[number() :: count()]
        batch: dict[str, Any] = self.inputs[own or rows[:1]]
        return {**batch, "counts": torch.tensor(bool(own))}


def shared(inputs: Any) -> Any:
    """Returns inputs of which this process sees its share only; all where it is alone."""
    return Shares(inputs) if count() > 1 else inputs


def weigh(
    loss: torch.Tensor, criterion: nn.Module, labels: torch.Tensor, counts: torch.Tensor | None
) -> tuple[torch.Tensor, int]:
    """Returns the loss of a share, whose mean over processes is the loss of the batch.

    Args:
        loss: Mean over the rows of the share.
        criterion: What made it.
        labels: Of the share.
        counts: Whether the share counts at all; None where there is but one process.

    Returns:
        The loss, and the rows of the whole batch.
    """
    if counts is None:
        return loss, len(labels)
    own = (
        torch.stack([_mass(criterion, labels).cpu(), torch.tensor(float(len(labels)))])
        * counts.cpu()
    )
    mass, rows = total(own.to(loss.device))
    return loss * (own[0].to(loss.device) * count() / mass), round(float(rows))


def _mass(criterion: nn.Module, labels: torch.Tensor) -> torch.Tensor:
    """Returns what the mean over the rows was divided by."""
    weight = criterion.weight if isinstance(criterion, nn.CrossEntropyLoss) else None
    return torch.tensor(float(len(labels))) if weight is None else weight[labels].sum().float()


def _grouped() -> bool:
    return distributed.is_available() and distributed.is_initialized()
