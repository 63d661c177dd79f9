"""Sections of a case about how a model is trained and judged; `tunebook.config` has the others."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of a case: immutable, and closed to keys it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SamplingConfig(Section):
    """How often a batch is of which task."""

    temperature: float = Field(
        1.0,
        ge=1,
        le=1000,
        description=(
            "A task with n training inputs has a share of the batches in proportion to "
            "n^(1/temperature): 1 for by size, large for equal shares (Raffel et al. 2020, "
            "arXiv:1910.10683)."
        ),
    )


class PretrainingConfig(Section):
    """More pretraining on texts of the domain, before the task stage: it needs no labels."""

    objective: Literal["auto", "mlm", "clm", "span_corruption", "nsp"] = Field(
        "auto",
        description=(
            "What is learnt from texts: `mlm` masked words (Devlin et al. 2019, arXiv:1810.04805), "
            "`clm` the next token, `span_corruption` cut-out spans (Raffel et al. 2020, "
            "arXiv:1910.10683), `nsp` whether a sentence follows another (Devlin et al. 2019). "
            "auto takes mlm, clm or span_corruption, by the model's family."
        ),
    )
    text: str | None = Field(
        None, min_length=1, description="Text column of `corpus`; null for task.text."
    )
    held_out: float = Field(
        0.1,
        gt=0,
        le=0.5,
        description=(
            "Share of `corpus` that is only measured on; without a corpus the texts of the "
            "validation split are."
        ),
    )
    measured_texts: int = Field(
        1000, ge=1, description="Most held-out texts that are measured, before and after."
    )
    mask_share: float = Field(
        0.15, gt=0, lt=1, description="Share of tokens to be guessed (mlm and span_corruption)."
    )
    whole_words: bool = Field(
        False, description="Mask all tokens of a word together, not some of them (mlm only)."
    )
    span_length: float = Field(
        3.0, ge=1, le=100, description="Mean tokens of a cut-out span (span_corruption only)."
    )
    method: Literal["full", "lora", "adapter"] = Field(
        "full",
        description=(
            "`lora` learns low-rank updates, which are merged into the backbone before the task "
            "stage: less memory, and the pretrained weights move less. `adapter` leaves them as "
            "they are and trains the adapter of the strategy `adapter` that names no run, which "
            "stays below the task's (MAD-X, Pfeiffer et al. 2020, arXiv:2005.00052)."
        ),
    )
    rank: int = Field(16, ge=1, le=1024, description="Rank of the updates (lora only).")
    head_epochs: float = Field(
        0.0,
        ge=0,
        le=1000,
        description=(
            "Passes over the corpus in which a head that the model came without learns alone; the "
            "measure before is taken after them, and so tells of the model, not of a new head."
        ),
    )
    epochs: float = Field(3.0, gt=0, le=1000, description="Passes over the corpus.")
    max_steps: int | None = Field(
        None, ge=1, description="Upper bound of optimiser steps, of the head's own as well."
    )
    learning_rate: float = Field(1e-4, gt=0, le=10, description="Peak rate.")
    batch_size: int = Field(32, ge=1, description="Texts in one step on one device.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW weight decay.")
    warmup: float = Field(0.06, ge=0, lt=1, description="Share of the steps with a rising rate.")


class EarlyStopping(Section):
    """When to stop before the last epoch; the best state so far is restored in any case."""

    patience: int = Field(2, ge=1, description="Evaluations without an improvement to wait for.")
    threshold: float = Field(
        0.0, ge=0, description="Improvement of the watched score that counts as one."
    )


class TrainingConfig(Section):
    """One stage of training. Rates and epochs left out come from the strategy's own defaults."""

    epochs: float = Field(
        3.0,
        ge=0,
        le=1000,
        description=(
            "Passes over the training split; 0 for no training where the head needs none: with "
            "`head.init: probe`, `head.form: label_words`, or a strategy that fits the head."
        ),
    )
    min_steps: int = Field(
        0, ge=0, description="With few records, epochs are added until there are so many steps."
    )
    max_steps: int | None = Field(None, ge=1, description="Upper bound of optimiser steps.")
    learning_rate: float = Field(
        5e-5,
        gt=0,
        le=10,
        description="Peak rate of the backbone.",
        json_schema_extra={"scale": "log"},
    )
    head_learning_rate: float | None = Field(
        None, gt=0, le=10, description="Peak rate of the head; null for the backbone's."
    )
    batch_size: int = Field(16, ge=1, description="Texts in one step on one device.")
    eval_batch_size: int = Field(64, ge=1, description="Texts in one prediction batch.")
    gradient_accumulation: int = Field(1, ge=1, description="Batches summed into one step.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW weight decay.")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="How the rate falls after the warm-up."
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps with a rising rate.")
    hidden_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description=(
            "Dropout of hidden states inside the backbone, attention not included; null keeps "
            "what the model came with."
        ),
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of each target spread.")
    class_weights: Literal["none", "balanced", "sqrt"] = Field(
        "none",
        description=(
            "Weight of a class in the loss: 1, inverse frequency, or the square root of it."
        ),
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto takes what the hardware accelerates; the record says why."
    )
    evaluations: int = Field(
        5, ge=1, le=1000, description="How often the validation split is scored, evenly spread."
    )
    evaluation_rows: int | None = Field(
        None, ge=2, description="Rows of the validation split drawn for that; null for all."
    )
    restore_best: bool = Field(
        True, description="End with the weights of the best validation score, not the last ones."
    )
    cache_frozen: bool = Field(
        True,
        description=(
            "Compute the outputs of frozen lower layers once and read them from disk at every "
            "epoch. Results are the same; dropout is off in frozen layers in either case."
        ),
    )
    cache_limit_gb: float = Field(
        8.0, ge=0, le=10_000, description="Largest cache of frozen layers, in GB on disk."
    )
    bad_loss: Literal["stop", "continue"] = Field(
        "stop",
        description=(
            "What is done when a loss is NaN or infinite. `stop`: the run fails, and the last good "
            "checkpoint stays. `continue`: the batch is left out; ten in a row end the run as well."
        ),
    )
    early_stopping: EarlyStopping | None = Field(
        None, description="Stop when the validation score stops improving; null to train on."
    )

    def steps_per_epoch(self, rows: int) -> int:
        """Returns the optimiser steps of one pass over `rows` inputs."""
        batches = -(-rows // self.batch_size)
        return max(1, -(-batches // self.gradient_accumulation))

    def planned_steps(self, rows: int) -> int:
        """Returns the optimiser steps of the whole training, none where there are no epochs."""
        if not self.epochs:
            return 0
        steps = max(math.ceil(self.epochs * self.steps_per_epoch(rows)), self.min_steps)
        return min(steps, self.max_steps or steps)


class CheckpointConfig(Section):
    """What is kept on disk while a run trains, so that a killed one goes on from there."""

    every_seconds: float = Field(
        60.0,
        gt=0,
        le=1e6,
        description=(
            "Training between two checkpoints; stretched where writing them would take more than "
            "a hundredth of the time. A shorter training has none and is simply repeated."
        ),
    )
    every_steps: int | None = Field(
        None,
        ge=1,
        description="Optimiser steps between two checkpoints, obeyed exactly; null to go by time.",
    )
    keep: int = Field(
        2, ge=1, le=100, description="Checkpoints of a training that are kept, the newest ones."
    )
    limit_gb: float = Field(
        20.0,
        ge=0,
        le=100_000,
        description=(
            "Most that all checkpoints of a run take on disk, in GB, the one being written "
            "included; 0 for none."
        ),
    )


class Bootstrap(Section):
    """How intervals are made."""

    resamples: int = Field(1000, ge=100, le=100_000, description="Bootstrap resamples.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Confidence level.")
    unit: Literal["auto", "row", "group"] = Field(
        "auto", description="What is resampled; auto takes groups when the split is grouped."
    )


class EvaluationConfig(Section):
    """What is reported."""

    split: Literal["test", "validation"] = Field(
        "test",
        description=(
            "Which rows the result is about. `validation` leaves the test rows unseen, for "
            "choosing between models; its scores are somewhat too good to be reported, since the "
            "best step was chosen on the same rows."
        ),
    )
    primary: str = Field(
        "macro_f1",
        description=(
            "The score that choices are made on; left out, the one that suits the task's kind."
        ),
    )
    baselines: tuple[Literal["majority", "tfidf"], ...] = Field(
        ("majority", "tfidf"), description="Trained on the same rows, shown beside every result."
    )
    tfidf_features: Literal["words", "words+characters"] = Field(
        "words+characters",
        description="Words 1-2 grams, or with character 2-5 grams within words beside them.",
    )
    bootstrap: Bootstrap = Field(Bootstrap(), description="How intervals are made.")
    learning_curve: tuple[int | None, ...] = Field(
        (), description="Records per class for the learning curve; null stands for all of them."
    )
