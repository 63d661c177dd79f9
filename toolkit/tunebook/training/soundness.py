"""Losses and weights that are no numbers any more: what is done about them."""

from __future__ import annotations

import torch
from torch import nn

from tunebook.errors import Problem, TrainingError
from tunebook.events import EventLog, Noted

MOST_IN_A_ROW = 10
"""Batches without a finite loss after which nothing is to be hoped for."""


class BadBatches:
    """Leaves batches out whose loss is not finite, where the case says so.

    Args:
        leave_out: Whether to; else they pass, and end the training when it reports.
        log: Told of the first one.
    """

    def __init__(self, *, leave_out: bool, log: EventLog) -> None:
        self.leave_out = leave_out
        self.left_out = 0
        self._log = log
        self._in_a_row = 0

    def heed(self, loss: torch.Tensor, model: nn.Module) -> tuple[torch.Tensor, bool]:
        """Returns the loss to go on with, and whether it counts; one left out has no gradient.

        Raises:
            TrainingError: Too many had to be left out in a row.
        """
        if not self.leave_out or bool(torch.isfinite(loss)):
            self._in_a_row = 0
            return loss, True
        self.left_out += 1
        self._in_a_row += 1
        if self.left_out == 1:
            text = "a batch without a finite loss was left out (training.bad_loss: continue)"
            self._log(Noted(text, "warning"))
        if self._in_a_row >= MOST_IN_A_ROW:
            raise diverged(f"{MOST_IN_A_ROW} batches in a row", str(float(loss.detach())))
        trained = [p for p in model.parameters() if p.requires_grad]
        nothing: torch.Tensor = sum(p.sum() for p in trained) * 0.0  # type: ignore[assignment]
        return nothing, False


def is_sound(model: nn.Module) -> bool:
    """Whether every trained weight is a number."""
    trained = (p for p in model.parameters() if p.requires_grad)
    return all(bool(torch.isfinite(parameter).all()) for parameter in trained)


def diverged(where: str, loss: str) -> TrainingError:
    """Returns the error of a training whose loss is not finite."""
    fix = "lower training.learning_rate, or set training.precision=fp32"
    return TrainingError(Problem("training.diverged", where, "a finite loss", loss, fix))
