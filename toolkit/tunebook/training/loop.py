"""The training loop: transformers' Trainer with our batches, optimiser, loss and evaluation."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from tunebook.config import ALONE, MEAN, TrainingConfig
from tunebook.contracts import Prepared
from tunebook.events import EventLog
from tunebook.training import processes
from tunebook.training.allocator import keep_freed_memory
from tunebook.training.callbacks import BestWeights, EvaluationSchedule, Reporter
from tunebook.training.checkpoints import Checkpoints
from tunebook.training.dropout import packed_dropout
from tunebook.training.inputs import Batch, Inputs
from tunebook.training.loop_state import outcome, put_outcome
from tunebook.training.mixture import TaskMixture, bucketed
from tunebook.training.precision import Precision, device
from tunebook.training.predict import predict_logits
from tunebook.training.resuming import Resumable
from tunebook.training.soundness import BadBatches

Scorer = Callable[[np.ndarray], Mapping[str, float]]

NAME = "training"
"""What events and checkpoints call the task stage."""


@dataclass(frozen=True)
class TrainingResult:
    """How a training went.

    Attributes:
        steps: Optimiser steps taken.
        best: Best validation score, and the step it was reached at.
        seconds: Wall time of the loop, evaluations included; of a resumed training, of the steps
            that count.
        examples_per_second: Inputs trained on, over the time spent in steps.
    """

    steps: int
    planned_steps: int
    epochs: float
    best: float
    best_step: int
    stopped_early: bool
    seconds: float
    evaluation_seconds: float
    examples_per_second: float

    def to_dict(self) -> dict[str, Any]:
        return vars(self) | {}


@dataclass(frozen=True)
class TrainingJob:
    """Everything that one training needs.

    Attributes:
        score: Scores of validation logits, by name.
        primary: The score that the best weights are chosen by.
        folder: Where the best weights lie meanwhile.
        loss: Mean loss of a batch's logits and targets.
        minimise: Whether the primary score is better the lower it is.
        checkpoints: Those of the run, None to keep none.
        tasks: By name, the jobs that share this one's model; none for a single task.
    """

    prepared: Prepared
    train: Inputs | TaskMixture
    validation: Inputs
    score: Scorer
    primary: str
    config: TrainingConfig
    precision: Precision
    seed: int
    folder: Path
    loss: nn.Module = field(default_factory=nn.CrossEntropyLoss)
    minimise: bool = False
    log: EventLog = field(default_factory=lambda: EventLog(None))
    checkpoints: Checkpoints | None = None
    tasks: Mapping[str, TrainingJob] = field(default_factory=dict)

    @property
    def by_task(self) -> Mapping[str, TrainingJob]:
        """The jobs of all tasks; a single-task job is its own."""
        return self.tasks or {ALONE: self}

    def scores(self) -> dict[str, float]:
        """Returns all scores of the validation split; of several tasks, their mean first."""
        found = {name: job.own_scores() for name, job in self.by_task.items()}
        if not self.tasks:
            return found[ALONE]
        primary = [found[name][job.primary] for name, job in self.tasks.items()]
        named = {f"{name}.{key}": v for name, each in found.items() for key, v in each.items()}
        return {MEAN: float(np.mean(primary)), **named}

    def own_scores(self) -> dict[str, float]:
        """Returns the scores of the job's own validation split."""
        model, size = self.prepared.model, self.config.eval_batch_size
        return dict(self.score(predict_logits(model, self.validation, size, self.precision)))


def joint_job(
    jobs: Mapping[str, TrainingJob], prepared: Prepared, temperature: float
) -> TrainingJob:
    """Returns the job that trains several tasks together.

    Args:
        jobs: By task, with the classifier of that task, whose primary score is better the higher
            it is.
        prepared: The model that they share.
        temperature: See `TaskMixture`.
    """
    mixture = TaskMixture({name: job.train for name, job in jobs.items()}, temperature)
    first = next(iter(jobs.values()))
    return replace(first, prepared=prepared, train=mixture, primary=MEAN, tasks=jobs)


def train(job: TrainingJob) -> TrainingResult:
    """Trains `job.prepared.model` in place and restores its best weights.

    Where an earlier attempt at the run has left a checkpoint of it, it goes on from there.

    Raises:
        TrainingError: The loss is not finite.
        MachineError: The best weights cannot be written.
    """
    model = job.prepared.model
    place = job.checkpoints.next_training(NAME) if job.checkpoints else None
    found = place.found if place else None
    if found is not None and found.done:
        return TrainingResult(**put_outcome(model, found))
    total = job.config.planned_steps(len(job.train))
    best = BestWeights(
        model, job.folder, job.primary, job.config.early_stopping, job.log, minimise=job.minimise
    )
    trainer = trainer_class(job.prepared.trainer)(
        job=job,
        model=model,
        args=trainer_arguments(job, total),
        train_dataset=job.train,
        eval_dataset=job.validation,
        callbacks=[
            EvaluationSchedule(total, job.config.evaluations),
            best,
            *job.prepared.callbacks,
        ],
    )
    trainer.remove_callback(PrinterCallback)
    bears = job.config.bad_loss == "continue"
    reporter = Reporter(job.log, total, lambda: trainer.examples_seen, bears_bad_losses=bears)
    trainer.reporter, trainer.best = reporter, best
    trainer.add_callback(reporter)
    if device().type == "cpu":
        keep_freed_memory()
    if (job.prepared.before is not None or not total) and found is None:
        trainer.evaluate()  # what the stages before have made may be the best there is
    if total:
        processes.seed_apart(job.seed)
        with packed_dropout(model):
            trainer.run(place)
    seconds = trainer.seconds
    if job.config.restore_best:
        best.restore()
    steps = trainer.state.global_step
    result = TrainingResult(
        steps,
        total,
        steps / job.config.steps_per_epoch(len(job.train)),
        float(best.best if best.best is not None else math.nan),
        best.best_step,
        best.stopped_early,
        seconds,
        trainer.evaluation_seconds,
        trainer.examples_seen / max(seconds - trainer.evaluation_seconds, 1e-9),
    )
    if place is not None:
        buffers = trainer.changed_buffers()
        place.write_end(steps, seconds, lambda: outcome(model, buffers, result.to_dict()))
    return result


class TrainingLoop(Resumable, Trainer):
    """Trainer with shuffled length buckets, fused AdamW over the strategy's groups, and scores.

    A strategy's own trainer class is put behind it, see `trainer_class`.
    """

    def __init__(self, *args: Any, job: TrainingJob, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.job = job
        self.bad = BadBatches(leave_out=job.config.bad_loss == "continue", log=job.log)
        self.reporter: Reporter | None = None
        self.best: BestWeights | None = None
        self.losses = {n: each.loss.to(self.args.device) for n, each in job.by_task.items()}

    def get_train_dataloader(self) -> DataLoader[Batch]:
        config = self.job.config
        batches = bucketed(self.job.train, config.batch_size, self.job.seed)
        if processes.count() > 1:  # accelerate would share out a batch sampler in its own way
            shares = processes.shared(self.job.train)
            return EpochLoader(shares, sampler=batches, batch_size=None)
        return EpochLoader(
            _WholeBatches(self.job.train), batch_sampler=batches, collate_fn=_as_it_is
        )

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        if self.optimizer is None:
            groups = [dict(group) for group in self.job.prepared.groups]
            self.optimizer = torch.optim.AdamW(groups, fused=_fused_works(self.args.device))
        return self.optimizer

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        labels, counts = inputs.pop("labels"), inputs.pop("counts", None)
        logits = model(**inputs)
        criterion = self.losses[inputs.get("task", ALONE)]
        loss, rows = processes.weigh(criterion(logits.float(), labels), criterion, labels, counts)
        loss, counted = self.bad.heed(loss, model)
        self.examples_seen += rows
        if self.reporter is not None and counted:
            self.reporter.losses.append(loss.detach())
        return (loss, logits) if return_outputs else loss

    def leave_out(self, seconds: float) -> None:
        super().leave_out(seconds)
        if self.reporter is not None:
            self.reporter.leave_out(seconds)

    def kept_files(self) -> dict[str, Path]:
        kept = self.best is not None and self.best.best is not None
        return {BestWeights.FILE: self.best.path} if kept else {}

    def take_files(self, folder: Path) -> None:
        if self.kept_files():
            self.best.take(folder / BestWeights.FILE)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        started = time.perf_counter()
        found = processes.of_first(self.job.scores() if processes.is_first() else None)
        scores = {f"eval_{name}": value for name, value in found.items()}
        self.evaluation_seconds += time.perf_counter() - started
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, scores
        )
        return scores


class EpochLoader(DataLoader[Batch]):
    """Loader whose sampler of batches knows the epoch."""

    def set_epoch(self, epoch: int) -> None:
        (self.batch_sampler or self.sampler).set_epoch(epoch)


class _WholeBatches(Dataset[Batch]):
    """Inputs whose items are batches, for loaders that would ask for row after row."""

    def __init__(self, inputs: Any) -> None:
        self.inputs = inputs

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        return self.inputs[rows]


def _as_it_is(batch: Batch) -> Batch:
    return batch


def trainer_class(base: type | None) -> type:
    """Returns TrainingLoop, in front of the trainer class that a strategy asks for."""
    if base is None or base is Trainer:
        return TrainingLoop
    return type(f"TrainingLoopOn{base.__name__}", (TrainingLoop, base), {})


def _fused_works(where: torch.device) -> bool:
    return where.type in ("cpu", "cuda")


def trainer_arguments(job: TrainingJob, total: int) -> TrainingArguments:
    """Returns the Trainer's settings for a job of `total` steps."""
    config = job.config
    # transformers leaves the precision of one training here, and takes it for the next
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    return TrainingArguments(
        output_dir=str(job.folder),
        max_steps=total,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        max_grad_norm=config.max_grad_norm,
        lr_scheduler_type=_SCHEDULES[config.schedule],
        warmup_steps=math.ceil(config.warmup * total),
        bf16=job.precision.name == "bf16",
        fp16=job.precision.name == "fp16",
        use_cpu=device().type == "cpu",
        seed=job.seed,
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        report_to=[],
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=False,
        ddp_timeout=round(processes.WAIT.total_seconds()),
    )


_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
