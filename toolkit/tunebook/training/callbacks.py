"""What happens beside the steps: scoring, keeping the best weights, reporting, stopping."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback

from tunebook.config import EarlyStopping
from tunebook.errors import MachineError
from tunebook.events import Evaluated, EventLog, StepTaken
from tunebook.records import write_problem
from tunebook.tasks.text_classification import load_trainable, trainable_state
from tunebook.training import processes
from tunebook.training.precision import device
from tunebook.training.soundness import diverged, is_sound

REPORTS = 200
"""Step events of a whole training, so that a long run doesn't write a line a step."""


@dataclass
class EvaluationSchedule(TrainerCallback):
    """Asks for an evaluation at evenly spread steps, the last one included."""

    total_steps: int
    evaluations: int

    def __post_init__(self) -> None:
        count = min(self.evaluations, self.total_steps)
        self._due = {round(self.total_steps / count * (n + 1)) for n in range(count)}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        control.should_evaluate = state.global_step in self._due
        return control

    def shorten(self, since: int, steps: int) -> None:
        """Spreads what was still due after step `since` over a training that ends sooner."""
        past = {step for step in self._due if step <= since}
        count = min(len(self._due) - len(past), steps - since)
        self._due = past | {since + round((steps - since) / count * (n + 1)) for n in range(count)}


class BestWeights(TrainerCallback):
    """Keeps the trainable weights of the best evaluation on disk; stops when patience runs out.

    Args:
        model: What is trained.
        folder: Where the weights are kept.
        score: Name of the watched score.
        stopping: Patience and threshold, None to train to the last step.
        log: Where evaluations are told.
        minimise: Whether the score is better the lower it is.
    """

    FILE = "best.safetensors"

    def __init__(
        self,
        model: nn.Module,
        folder: Path,
        score: str,
        stopping: EarlyStopping | None,
        log: EventLog,
        *,
        minimise: bool = False,
    ) -> None:
        self.model = model
        self.path = folder / self.FILE
        self.score = score
        self.stopping = stopping
        self.log = log
        self.sign = -1 if minimise else 1
        self.best: float | None = None
        self.best_step = 0
        self.stopped_early = False
        self._waited = 0

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any
    ) -> Any:
        scores = {name.removeprefix("eval_"): value for name, value in metrics.items()}
        value = scores[self.score]
        gain = math.inf if self.best is None else self.sign * (value - self.best)
        # scores of weights that are no numbers mean nothing, whatever they are
        gain = gain if math.isfinite(value) and is_sound(self.model) else -math.inf
        improved, enough = gain > 0, gain > self._threshold
        if improved:
            self.best, self.best_step = value, state.global_step
            self._save()
        self._waited = 0 if enough else self._waited + 1
        self.log(Evaluated(state.global_step, float(state.epoch or 0), scores, improved))
        if self.stopping and self._waited >= self.stopping.patience:
            control.should_training_stop = self.stopped_early = True
        return control

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_step = state["best"], state["best_step"]
        self._waited = state["waited"]

    def take(self, file: Path) -> None:
        """Takes the best weights so far from a checkpoint's file, which stays."""
        temporary = self.path.with_suffix(".tmp")
        shutil.copyfile(file, temporary)
        temporary.replace(self.path)

    @property
    def _threshold(self) -> float:
        return self.stopping.threshold if self.stopping else 0.0

    def _save(self) -> None:
        if not processes.is_first():
            return
        temporary = self.path.with_suffix(".tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(trainable_state(self.model), str(temporary))
            temporary.replace(self.path)
        except Exception as error:  # safetensors has an error class of its own for failed writes
            temporary.unlink(missing_ok=True)
            cause = error if isinstance(error, OSError) else OSError(str(error))
            raise MachineError(write_problem(self.path, cause)) from error

    def restore(self) -> None:
        """Puts the best weights back into the model and removes the file."""
        if self.best is not None and processes.is_first():
            load_trainable(self.model, load_file(str(self.path)))
            self.path.unlink()


class Reporter(TrainerCallback):
    """Tells of steps: loss, rate, speed, time left. Ends a training whose loss is not finite."""

    def __init__(
        self,
        log: EventLog,
        total_steps: int,
        examples_per_step: Callable[[], int],
        *,
        bears_bad_losses: bool = False,
    ) -> None:
        self.log = log
        self.bears_bad_losses = bears_bad_losses
        self.total_steps = total_steps
        self.every = max(1, total_steps // REPORTS)
        self.examples_seen = examples_per_step
        self.losses: list[torch.Tensor] = []
        self.started = time.perf_counter()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.started = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        losses = [float(loss) for loss in self.losses]
        return {"seconds": time.perf_counter() - self.started, "losses": losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.started = time.perf_counter() - state["seconds"]
        self.losses.extend(torch.tensor(loss, device=device()) for loss in state["losses"])

    def shorten(self, since: int, steps: int) -> None:
        """Counts towards an end that comes sooner."""
        self.total_steps = steps

    def leave_out(self, seconds: float) -> None:
        """Doesn't count a pause as time of the training."""
        self.started += seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step = state.global_step
        if step % self.every and step != self.total_steps:
            return
        # all processes report at the same steps
        loss = float(processes.mean(torch.stack(self.losses).mean())) if self.losses else math.nan
        self.losses.clear()
        finite = math.isfinite(loss)
        if not finite and not self.bears_bad_losses:
            raise diverged(f"step {step}", str(loss))
        elapsed = time.perf_counter() - self.started
        self.log(
            StepTaken(
                step,
                self.total_steps,
                float(state.epoch or 0),
                loss if finite else None,
                max(group["lr"] for group in kwargs["optimizer"].param_groups),
                self.examples_seen() / max(elapsed, 1e-9),
                elapsed / step * (self.total_steps - step),
            )
        )
