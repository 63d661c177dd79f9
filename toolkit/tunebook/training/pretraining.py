"""Pretraining on texts of the domain before the task stage, measured on texts held out.

Gururangan et al. 2020, arXiv:2004.10964.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tunebook.config import PretrainingConfig
from tunebook.contracts import Stage
from tunebook.data.corpus import Corpus
from tunebook.errors import DataError, Problem
from tunebook.events import EventLog, Noted
from tunebook.models.load import family, load_language_model
from tunebook.training.batching import longest_first
from tunebook.training.checkpoints import Checkpoints
from tunebook.training.language_inputs import LanguageInputs
from tunebook.training.language_models import MEASURES
from tunebook.training.low_rank import low_rank_updates
from tunebook.training.objectives import Objective, choose_objective
from tunebook.training.precision import Precision, device
from tunebook.training.stages import decayed_groups, run_stage

NAME = "pretraining"
TRAINED, MEASURED = 201, 202
"""Second part of the seeds: what is hidden of the held-out texts is the same before and after."""

SETTINGS = ("epochs", "max_steps", "learning_rate", "batch_size", "weight_decay", "warmup")


@dataclass(frozen=True)
class Pretraining:
    """What one pretraining needs.

    Attributes:
        folder: Where the pretrained model lies.
        backbone: What is adapted, in place.
        max_tokens: Longest input, special tokens included.
        scratch: Where the loop may write.
        checkpoints: Those of the run, None to keep none.
        adapter: Makes an adapter of the backbone the only thing in it that learns, for the method
            of that name, by the backbone with its head.
    """

    config: PretrainingConfig
    corpus: Corpus
    folder: Path
    backbone: nn.Module
    tokenizer: Any
    max_tokens: int
    eval_batch_size: int
    precision: Precision
    seed: int
    scratch: Path
    log: EventLog
    adapter: Callable[[nn.Module], AbstractContextManager[None]] | None = None
    checkpoints: Checkpoints | None = None


def pretrain(job: Pretraining) -> dict[str, Any]:
    """Adapts `job.backbone` in place; returns what the record keeps.

    Raises:
        ConfigError: The objective doesn't suit the model.
        DataError: The texts don't suit the objective.
        TrainingError: The loss is not finite.
    """
    config = job.config
    torch.manual_seed(job.seed)  # a fresh head and low-rank updates are drawn
    about_model = job.backbone.config
    name, objective = choose_objective(
        config, family(about_model), about_model.model_type, job.tokenizer
    )
    measured = _measured(job)
    train = _inputs(job, objective, job.corpus.train, TRAINED)
    held_out = _inputs(job, objective, measured, MEASURED)
    model, fresh = load_language_model(job.folder, job.backbone, objective.auto_class)
    learner = objective.learner(model).to(device())
    warmed = bool(fresh) and config.head_epochs > 0
    if fresh:
        job.log(Noted(_fresh_head(name, model, warmed)))
    if warmed:
        with _head_alone(job, model, fresh):
            _learn(job, f"{NAME}, head", learner, train(), epochs=config.head_epochs)
    before = measure(learner, held_out(), objective, job)
    with ADAPTATIONS[config.method](job, model, fresh):
        about = _learn(job, NAME, learner, train())
        after = measure(learner, held_out(), objective, job)
    job.backbone.requires_grad_(True).eval()
    job.log(Noted(f"{NAME}: {objective.measure} {before:.4g} before, {after:.4g} after"))
    return {
        "objective": name,
        "method": config.method,
        "corpus": job.corpus.title,
        "texts": len(job.corpus.train),
        "left_out": job.corpus.left_out,
        "measured_texts": len(measured),
        "fresh_head": bool(fresh),
        "head_epochs": config.head_epochs if warmed else 0.0,
        "measure": objective.measure,
        "before": before,
        "after": after,
    } | about


def measure(
    learner: nn.Module, inputs: LanguageInputs, objective: Objective, job: Pretraining
) -> float:
    """Returns the objective's measure on held-out inputs, such as their perplexity."""
    where = next(learner.parameters()).device
    total, count = 0.0, 0
    learner.eval()
    with torch.inference_mode(), job.precision.autocast():
        for rows in longest_first(inputs.lengths, job.eval_batch_size):
            batch = {name: value.to(where) for name, value in inputs[rows].items()}
            tallied, asked = learner.tally(batch)
            total, count = total + tallied, count + asked
    return MEASURES[objective.measure](total / count)


def weights_hash(module: nn.Module) -> str:
    """Returns the SHA-256 over all weights of a module, in their order."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _learn(
    job: Pretraining, name: str, learner: nn.Module, inputs: LanguageInputs, **changes: Any
) -> dict[str, Any]:
    config = job.config
    settings = {setting: getattr(config, setting) for setting in SETTINGS} | changes
    groups = decayed_groups(learner, config.learning_rate, config.weight_decay)
    stage = Stage(name, NAME, learner, inputs, groups, settings)
    return run_stage(stage, job.precision, job.seed, job.scratch, job.log, job.checkpoints)


@contextmanager
def _everything(job: Pretraining, _model: nn.Module, _fresh: Collection[str]) -> Iterator[None]:
    job.backbone.requires_grad_(True)
    yield


def _low_rank(
    job: Pretraining, _model: nn.Module, _fresh: Collection[str]
) -> AbstractContextManager[None]:
    return low_rank_updates(job.backbone, job.config.rank)


@contextmanager
def _adapter(job: Pretraining, model: nn.Module, fresh: Collection[str]) -> Iterator[None]:
    """A head that the model came with stays too, so that all that is learnt is in the adapter."""
    assert job.adapter is not None
    with _head_alone(job, model, fresh), job.adapter(model):
        yield


@contextmanager
def _head_alone(job: Pretraining, model: nn.Module, fresh: Collection[str]) -> Iterator[None]:
    """Freezes everything but the parameters of the head that start fresh."""
    model.requires_grad_(False)
    tied = {id(parameter) for parameter in job.backbone.parameters()}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name in fresh and id(parameter) not in tied:
            parameter.requires_grad = True
    yield
    model.requires_grad_(True)


ADAPTATIONS = {"full": _everything, "lora": _low_rank, "adapter": _adapter}
"""By method, what is done to the backbone while it is trained."""


def _measured(job: Pretraining) -> Sequence[str]:
    """Returns the held-out texts that are measured, drawn when there are too many."""
    texts, most = job.corpus.held_out, job.config.measured_texts
    if len(texts) <= most:
        return texts
    rows = np.random.default_rng([job.seed, MEASURED]).choice(len(texts), most, replace=False)
    return [texts[row] for row in np.sort(rows)]


def _inputs(
    job: Pretraining, objective: Objective, texts: Sequence[str], stream: int
) -> Callable[[], LanguageInputs]:
    """Returns a function that makes the inputs; the same things are hidden each time."""
    pieces = objective.pieces(job.tokenizer, texts, job.max_tokens)
    if not pieces:
        raise DataError(_nothing_to_learn(len(texts)))
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    vocabulary = job.backbone.config.vocab_size
    spoil = objective.spoil(job.config, job.tokenizer, vocabulary, pieces)

    def make() -> LanguageInputs:
        rng = np.random.default_rng([job.seed, stream])
        return LanguageInputs(pieces, lengths, spoil, job.tokenizer.pad_token_id, rng)

    return make


def _fresh_head(objective: str, model: nn.Module, warmed: bool) -> str:
    tied = model.get_output_embeddings() is not None
    basis = " on top of the word embeddings" if tied else ""
    told = "learns alone first" if warmed else "makes the measure before worse than the model is"
    return (
        f"{NAME}: the model came without a head for {objective}, which starts fresh{basis} "
        f"and {told}"
    )


def _nothing_to_learn(texts: int) -> Problem:
    return Problem(
        "data.corpus_too_small",
        "corpus",
        "texts of two words or more that the tokenizer knows",
        f"none among {texts} texts",
        "give other texts in `corpus`, or a model that knows their language",
    )
