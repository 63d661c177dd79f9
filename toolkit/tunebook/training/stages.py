"""Training that runs before the task stage: another loss and other batches, on the same loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn
from transformers.trainer_callback import PrinterCallback

from tunebook.config import TrainingConfig
from tunebook.contracts import ParamGroup, Prepared, Stage
from tunebook.errors import TrainingError
from tunebook.events import Event, EventLog, StageStep, StepTaken
from tunebook.forms import TaskForm
from tunebook.training.allocator import keep_freed_memory
from tunebook.training.callbacks import Reporter
from tunebook.training.checkpoints import Checkpoints
from tunebook.training.dropout import packed_dropout
from tunebook.training.inputs import Batch, TokenInputs
from tunebook.training.loop import TrainingJob, TrainingLoop, trainer_arguments
from tunebook.training.loop_state import outcome, put_outcome
from tunebook.training.precision import Precision, device
from tunebook.training.predict import encode_features
from tunebook.training.probe import init_head_from_probe


@dataclass(frozen=True)
class Stages:
    """Runs stages; implements `contracts.StageRunner`.

    Attributes:
        model: The classifier whose task stage comes afterwards.
        train: Its tokenised training split.
        config: Settings of the task stage.
        folder: Where the loop may write.
        form: What the targets are.
        balanced: Whether classes weigh the same in the head's linear model.
        checkpoints: Those of the run, None to keep none.
    """

    model: nn.Module
    train: TokenInputs
    config: TrainingConfig
    precision: Precision
    seed: int
    folder: Path
    log: EventLog
    form: TaskForm
    balanced: bool = False
    checkpoints: Checkpoints | None = None

    def run(self, stage: Stage) -> dict[str, Any]:
        """Trains `stage.model` in place; see `run_stage`."""
        return run_stage(stage, self.precision, self.seed, self.folder, self.log, self.checkpoints)

    def fit_head(self, c: float) -> None:
        """Puts a linear model of the features of the training split into the head."""
        size = self.config.eval_batch_size
        features = encode_features(self.model, self.train, size, self.precision)
        init_head_from_probe(
            self.model, features, self.train, self.form, c=c, balanced=self.balanced
        )


def run_stage(
    stage: Stage,
    precision: Precision,
    seed: int,
    folder: Path,
    log: EventLog,
    checkpoints: Checkpoints | None = None,
) -> dict[str, Any]:
    """Trains `stage.model` in place, to the last step; returns steps, epochs, time and speed.

    Batches are length buckets, as in the task stage; nothing is evaluated. Where an earlier
    attempt at the run has left a checkpoint of the stage, it goes on from there.

    Raises:
        TrainingError: The loss is not finite.
    """
    place = checkpoints.next_training(stage.name) if checkpoints else None
    if place is not None and place.found is not None and place.found.done:
        about = put_outcome(stage.model, place.found)
        stage.model.eval()
        return about
    config = TrainingConfig(**stage.training)
    job = TrainingJob(
        prepared=Prepared(stage.model, stage.groups),
        train=stage.inputs,
        validation=stage.inputs,
        score=lambda _: {},
        primary="",
        config=config,
        precision=precision,
        seed=seed,
        folder=folder,
    )
    total = config.planned_steps(len(stage.inputs))
    trainer = StageLoop(
        job=job,
        model=stage.model,
        args=trainer_arguments(job, total),
        train_dataset=stage.inputs,
    )
    trainer.remove_callback(PrinterCallback)
    told = _StageLog(stage.name, EventLog(None) if place and place.repeated else log)
    trainer.reporter = Reporter(told, total, lambda: trainer.examples_seen)
    trainer.add_callback(trainer.reporter)
    if device().type == "cpu":
        keep_freed_memory()
    with packed_dropout(stage.model), _advice(stage):
        trainer.run(place)
    stage.model.eval()
    seconds = trainer.seconds
    about = {
        "steps": trainer.state.global_step,
        "epochs": trainer.examples_seen / len(stage.inputs),
        "seconds": seconds,
        "examples_per_second": trainer.examples_seen / max(seconds, 1e-9),
    }
    if place is not None:
        model, buffers = stage.model, trainer.changed_buffers()
        place.write_end(about["steps"], seconds, lambda: outcome(model, buffers, about))
    return about


def decayed_groups(model: nn.Module, rate: float, decay: float) -> list[ParamGroup]:
    """Returns the trainable parameters in two groups: matrices, which decay, and vectors."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    kinds: Sequence[tuple[str, bool]] = (("matrices", True), ("vectors", False))
    groups = [
        {
            "params": [p for p in trainable if (p.ndim > 1) == matrix],
            "lr": rate,
            "weight_decay": decay if matrix else 0.0,
            "name": name,
        }
        for name, matrix in kinds
    ]
    return [group for group in groups if group["params"]]


class StageLoop(TrainingLoop):
    """The task's loop for a model that makes its own loss of a batch."""

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        loss = model(**inputs).float()
        self.examples_seen += len(next(iter(inputs.values())))
        if self.reporter is not None:
            self.reporter.losses.append(loss.detach())
        return (loss, {}) if return_outputs else loss


class _StageLog(EventLog):
    """Tells of a stage's steps under the stage's name."""

    def __init__(self, stage: str, log: EventLog) -> None:
        super().__init__(None)
        self._stage = stage
        self._log = log

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepTaken):
            event = StageStep(**asdict(event), stage=self._stage)
        self._log(event)


@contextmanager
def _advice(stage: Stage) -> Any:
    """Makes errors of the loop name the stage and its own settings."""
    try:
        yield
    except TrainingError as error:
        told = [
            replace(
                problem,
                where=f"{stage.name}, {problem.where}",
                fix=f"lower {stage.section}.learning_rate, or set training.precision=fp32",
            )
            for problem in error.problems
        ]
        raise TrainingError(*told) from error
