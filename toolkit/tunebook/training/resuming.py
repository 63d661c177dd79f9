"""What lets transformers' Trainer keep checkpoints of ours, and go on from them.

Trainer counts: it finds the epoch, passes over the batches that were trained on, and says when
to write. What is written and put back is `tunebook.training.loop_state`; transformers' own
checkpoints hold pickles.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback

from tunebook.training.checkpoints import TrainingCheckpoints
from tunebook.training.loop_state import Tensors, capture, restore, restore_chance
from tunebook.training.soundness import is_sound
from tunebook.training.steering import Steering


class Resumable:
    """The part of a Trainer that writes and reads checkpoints; goes before it in the bases.

    Attributes:
        checkpoints: Where they are kept; nowhere when None.
        examples_seen: Inputs trained on.
        evaluation_seconds: Spent in scoring.
    """

    checkpoints: TrainingCheckpoints | None = None
    examples_seen = 0
    evaluation_seconds = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.perf_counter()

    def run(self, checkpoints: TrainingCheckpoints | None) -> None:
        """Trains, from where an earlier attempt has got to if there was one."""
        found = None
        if checkpoints is not None:
            self.checkpoints, found = checkpoints, checkpoints.found
            if checkpoints.run.inbox is not None:
                self.add_callback(Steering(self, checkpoints.run.inbox, checkpoints))
            self._buffers = {n: b.clone() for n, b in self.model.named_buffers()}
            self.add_callback(_Checkpointing(self))
        self.train(resume_from_checkpoint=None if found is None else str(found.folder))

    @property
    def seconds(self) -> float:
        """Time of the training; what a resumed one has lost isn't counted."""
        return time.perf_counter() - self._started

    def leave_out(self, seconds: float) -> None:
        """Doesn't count a pause as time of the training."""
        self._started += seconds

    def changed_buffers(self) -> Tensors:
        """Returns buffers that aren't what they were when the training began."""
        before = getattr(self, "_buffers", {})
        return {
            name: buffer
            for name, buffer in self.model.named_buffers()
            if name in before and not torch.equal(buffer, before[name])
        }

    def kept_files(self) -> dict[str, Path]:
        """Returns files that belong to where the training stands."""
        return {}

    def take_files(self, folder: Path) -> None:
        """Takes them back from a checkpoint's folder."""

    def state_dict(self) -> dict[str, Any]:
        return {
            "examples_seen": self.examples_seen,
            "evaluation_seconds": self.evaluation_seconds,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.examples_seen = state["examples_seen"]
        self.evaluation_seconds = state["evaluation_seconds"]
        self._started = time.perf_counter() - state["seconds"]

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        # a training that ends here leaves what has come out instead
        wanted = self.checkpoints is not None and not self.control.should_training_stop
        if wanted and is_sound(self.model):  # else the last good one stays
            self.checkpoints.write(self.state.global_step, capture(self))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Weights come back with all the rest, when the training begins."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            restore_chance(self.checkpoints.found)


class _Checkpointing(TrainerCallback):
    """Asks for checkpoints, and puts back what an earlier attempt has left. The last callback.

    At the end of an epoch it waits until all callbacks have seen that end.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self._waits = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        found = self.trainer.checkpoints.found
        if found is not None:
            restore(self.trainer, found)
            self.trainer.take_files(found.folder)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if self.trainer.checkpoints.due(state.global_step, self._size):
            self._waits = math.modf(state.epoch)[0] == 0
            control.should_save = not self._waits
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        control.should_save, self._waits = control.should_save or self._waits, False
        return control

    def _size(self) -> int:
        """Weights and the two moments of AdamW, in bytes."""
        trained = [p for p in self.trainer.model.parameters() if p.requires_grad]
        return 3 * sum(p.numel() * p.element_size() for p in trained)
