"""Learning-rate range test: the loss over a rate that rises from far too low to far too high."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from tunebook.training.loop import TrainingJob, trainer_arguments, trainer_class

SMOOTHING = 0.9
"""Weight of the past in the running mean of the loss: about ten steps count."""

SETTLING = 10
"""First steps, at most a quarter of all, whose running mean is of too few losses to be read."""

EXPLODED = 4.0
"""The test ends once the smoothed loss is so many times the lowest one."""


@dataclass(frozen=True)
class RateFinderResult:
    """What a range test saw.

    Rates are those of `training.learning_rate`. All groups of the strategy keep their ratios, so
    that other rates, the head's included, are to be multiplied by `scale` as well.

    Attributes:
        rates: Rate of each step, rising.
        losses: Training loss of each step.
        smoothed: Running mean of the losses.
        exploded: Whether the loss ended the test before the highest rate.
        steepest: Rate at which the smoothed loss falls fastest, None when it never falls.
        tenth_of_lowest: A tenth of the rate at which it is lowest, None when it never falls.
        learning_rate: The lower of the two: the suggestion.
        head_learning_rate: The head's rate that goes with it.
        scale: The suggestion over the rate of the case.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    exploded: bool
    steepest: float | None
    tenth_of_lowest: float | None
    learning_rate: float | None
    head_learning_rate: float | None
    scale: float | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as JSON types."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in vars(self).items()
        }


def sweep_rates(job: TrainingJob, *, steps: int, low: float, high: float) -> RateFinderResult:
    """Trains for `steps` while the rate rises exponentially, then puts every weight back.

    Nothing is evaluated or written. Smith 2015, arXiv:1506.01186.

    Args:
        job: Model, training split, and settings; its schedule and length are not used.
        steps: Optimiser steps.
        low: First rate.
        high: Last rate.
    """
    model = job.prepared.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    was_training = model.training
    config = job.config.model_copy(update={"schedule": "constant", "warmup": 0.0})
    test = RangeTest(np.geomspace(low, high, steps), config.learning_rate)
    trainer = trainer_class(job.prepared.trainer)(
        job=replace(job, config=config),
        model=model,
        args=trainer_arguments(replace(job, config=config), steps),
        train_dataset=job.train,
        callbacks=[*job.prepared.callbacks, test],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.reporter = test
    try:
        trainer.train()
    finally:
        model.load_state_dict(before)
        model.zero_grad()
        model.train(was_training)
    return read_curve(
        test.rates[: len(test.means)],
        test.means,
        exploded=test.exploded,
        learning_rate=job.config.learning_rate,
        head_learning_rate=job.config.head_learning_rate or job.config.learning_rate,
    )


class RangeTest(TrainerCallback):
    """Sets the rate before each step and ends the training when the loss explodes.

    Args:
        rates: Rate of each step.
        usual: The rate that groups are multiples of.
    """

    def __init__(self, rates: np.ndarray, usual: float) -> None:
        self.rates = rates
        self.usual = usual
        self.losses: list[torch.Tensor] = []
        self.means: list[float] = []
        self.exploded = False

    def on_step_begin(self, args: Any, state: Any, control: Any, optimizer: Any, **_: Any) -> None:
        factor = self.rates[state.global_step] / self.usual
        for group in optimizer.param_groups:
            # the schedule, a constant one, puts the rate back after the step
            group["lr"] = group["initial_lr"] * factor

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        loss = float(torch.stack(self.losses).mean())
        self.losses.clear()
        if math.isfinite(loss):
            self.means.append(loss)
        smoothed = smooth(self.means)
        if not math.isfinite(loss) or smoothed[-1] > EXPLODED * min(smoothed):
            control.should_training_stop = self.exploded = True
        return control


def read_curve(
    rates: Sequence[float],
    losses: Sequence[float],
    *,
    exploded: bool,
    learning_rate: float,
    head_learning_rate: float,
) -> RateFinderResult:
    """Returns what a curve of losses over rising rates suggests.

    Args:
        rates: Rate of each step.
        losses: Loss of each step.
        exploded: Whether the loss ended the test.
        learning_rate: The case's own rate.
        head_learning_rate: The case's own rate of the head.
    """
    smoothed = smooth(losses)
    lowest = int(np.argmin(smoothed)) if smoothed else 0
    settled = min(SETTLING, len(smoothed) // 4)
    steepest = tenth = suggestion = None
    if lowest > settled:
        slopes = np.gradient(smoothed, np.log(rates))[settled : lowest + 1]
        steepest, tenth = float(rates[settled + int(slopes.argmin())]), float(rates[lowest]) / 10
        suggestion = min(steepest, tenth)
    scale = None if suggestion is None else suggestion / learning_rate
    return RateFinderResult(
        tuple(map(float, rates)),
        tuple(losses),
        tuple(smoothed),
        exploded,
        steepest,
        tenth,
        suggestion,
        None if scale is None else head_learning_rate * scale,
        scale,
    )


def smooth(losses: Sequence[float]) -> list[float]:
    """Returns the exponential running mean of `losses`, corrected for its start at zero."""
    means, mean = [], 0.0
    for number, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        means.append(mean / (1 - SMOOTHING**number))
    return means
