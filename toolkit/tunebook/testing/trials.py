"""A strategy at work on a tiny model: prepared, trained by the real loop, saved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tunebook.config import CaseConfig
from tunebook.contracts import Prepared
from tunebook.data.loading import load_dataset
from tunebook.events import EventLog
from tunebook.export.bundle import Classifier
from tunebook.records import RunDirectory
from tunebook.runner import Execution
from tunebook.schema import CaseSchema
from tunebook.subject import Subject, seed_everything
from tunebook.subjects import Subjects, load_datasets
from tunebook.tasks.text_classification import TextClassifier
from tunebook.testing import tiny
from tunebook.testing.candidate import Candidate
from tunebook.training.precision import choose_precision
from tunebook.training.predict import predict_logits

ROWS = 60
TRAINING = {
    "epochs": 2,
    "learning_rate": 3e-3,
    "head_learning_rate": 3e-3,
    "precision": "fp32",
    "evaluations": 2,
}
Weights = Sequence[tuple[nn.Parameter, torch.Tensor]]


@dataclass(frozen=True)
class Attempt:
    """What a strategy made of a pretrained model.

    Attributes:
        pretrained: Parameters of the backbone, and their values before the strategy came.
        start: Values of all parameters before the training, by name.
        directory: Where the run and its model lie.
    """

    subject: Subject
    prepared: Prepared
    pretrained: Weights
    start: Mapping[str, torch.Tensor]
    directory: RunDirectory

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """All parameters as they are now, by name."""
        return dict(self.prepared.model.named_parameters())

    @property
    def loss(self) -> float:
        """Loss of the training texts, without dropout."""
        subject = self.subject
        inputs = subject.inputs("train", self.prepared)
        logits = predict_logits(self.prepared.model, inputs, len(inputs), subject.precision)
        loss = subject.dataset.form.loss(subject.case.training, inputs.targets)
        return float(loss(torch.from_numpy(logits), torch.from_numpy(inputs.targets)))

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Returns the logits of `texts`, or of texts with their pairs, shape (texts, outputs)."""
        subject = self.subject
        classifier = Classifier(
            self.prepared.model,
            subject.tokenizer,
            subject.case,
            subject.dataset.classes,
            subject.precision,
        )
        return classifier.logits(texts, pairs)


@dataclass(frozen=True)
class TasksAttempt:
    """What a strategy made of a model that two tasks share.

    Attributes:
        start: Values of all parameters before the training, by name.
        directory: Where the run and its model lie.
    """

    subjects: Subjects
    prepared: Prepared
    start: Mapping[str, torch.Tensor]
    directory: RunDirectory

    def logits(self, task: str, texts: Sequence[str]) -> np.ndarray:
        """Returns the logits of `texts` for one task, shape (texts, classes)."""
        subject = self.subjects.by_task[task]
        classifier = Classifier(
            self.subjects.of_task(task, self.prepared).model,
            subject.tokenizer,
            subject.case,
            subject.dataset.classes,
            subject.precision,
        )
        return classifier.logits(texts)


def prepare(candidate: Candidate, model: str, seed: int = 0, **changes: Any) -> Attempt:
    """Returns what the strategy makes of a tiny model, named as in `tiny.MODELS`.

    Args:
        candidate: The strategy.
        model: Name of the model.
        seed: Seed of the case.
        changes: Sections of the case that are other than usual.
    """
    return _prepare(candidate, _subject(candidate, model, seed, **changes))


def prepare_stranger(candidate: Candidate, model: str) -> Attempt:
    """Returns what the strategy makes of a model whose architecture nobody has heard of."""
    subject = _subject(candidate, model, 0)
    classes = len(subject.dataset.classes)
    subject.model = TextClassifier(stranger(), classes, subject.case.head)
    return _prepare(candidate, subject)


def train(candidate: Candidate, model: str, seed: int = 0, **changes: Any) -> Attempt:
    """Returns a prepared model after a short training, saved in the directory of its run.

    The arguments are those of `prepare`.
    """
    attempt = prepare(candidate, model, seed, **changes)
    with own_cache(candidate.scratch):
        fit(attempt)
    return attempt


def fit(attempt: Attempt) -> None:
    """Trains a prepared model, and saves it in the directory of its run."""
    subject, directory = attempt.subject, attempt.directory
    execution = Execution(subject.case, subject.host, directory, EventLog(None))
    subjects = Subjects.alone(subject)
    execution.train(subjects, attempt.prepared)
    subjects.save(directory.model, attempt.prepared)


def train_tasks(candidate: Candidate, model: str) -> TasksAttempt:
    """Returns two tasks that were trained on one model, saved in the directory of their run."""
    rows = [row | {"half": "ab"[n % 2]} for n, row in enumerate(tiny.rows(ROWS))]
    tasks: dict[str, Any] = {"topic": {}, "half": {"task": {"label": "half"}}}
    case = tiny_case(candidate, model, data={"kind": "memory", "rows": rows}, tasks=tasks)
    seed_everything(0)
    datasets = load_datasets(case, candidate.host)
    subjects = Subjects.build(case, candidate.host, datasets, choose_precision("fp32"))
    directory = RunDirectory.create(candidate.scratch, "tiny", candidate.descriptor.name)
    with own_cache(candidate.scratch):
        prepared = subjects.prepare()
        start = {n: p.detach().clone() for n, p in prepared.model.named_parameters()}
        Execution(case, candidate.host, directory, EventLog(None)).train(subjects, prepared)
        subjects.save(directory.model, prepared)
    return TasksAttempt(subjects, prepared, start, directory)


def trained(candidate: Candidate, model: str) -> Attempt:
    """Returns the one training that all checks of a candidate share."""
    return candidate.once(("trained", model), lambda: train(candidate, model))


def stranger() -> nn.Module:
    """Returns a small pretrained model of an architecture that no table names."""
    from transformers import PretrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import BaseModelOutput

    class StrangeConfig(PretrainedConfig):
        model_type = "unheard_of"

    class StrangeModel(PreTrainedModel):
        config_class = StrangeConfig
        base_model_prefix = "strange"

        def __init__(self, config: StrangeConfig) -> None:
            super().__init__(config)
            self.lookup = nn.Embedding(len(tiny.vocabulary()), config.hidden_size)
            self.mixing = nn.Linear(config.hidden_size, config.hidden_size)

        def forward(self, input_ids: Any, attention_mask: Any) -> BaseModelOutput:
            states = self.lookup(input_ids) * attention_mask.unsqueeze(-1)
            return BaseModelOutput(torch.tanh(self.mixing(states)))

    return StrangeModel(StrangeConfig(hidden_size=32)).eval()


def tiny_case(candidate: Candidate, model: str, /, seed: int = 0, **changes: Any) -> CaseConfig:
    """Returns the case that a strategy is tried on; the arguments are those of `prepare`."""
    chosen = tiny.MODELS[model]
    usual = {
        "head": {"form": chosen.form},
        "strategy": candidate.config().model_dump(mode="json"),
        "seed": seed,
        "data": {"kind": "memory", "rows": tiny.rows(ROWS)},
        "training": TRAINING,
        "metrics": ["f1"],
    }
    content = tiny.case_content(tiny.model_folder(chosen.save)) | usual | changes
    case: CaseConfig = CaseSchema(candidate.host).validate(content)
    return case


def build(case: CaseConfig, candidate: Candidate) -> Subject:
    """Returns the data and the model of a case, seeded."""
    seed_everything(case.seed)
    dataset = load_dataset(case, candidate.host)
    return Subject.build(case, candidate.host, dataset, choose_precision("fp32"))


def _subject(candidate: Candidate, model: str, seed: int, **changes: Any) -> Subject:
    return build(tiny_case(candidate, model, seed, **changes), candidate)


def _prepare(candidate: Candidate, subject: Subject) -> Attempt:
    backbone = subject.model.backbone
    pretrained = [(p, p.detach().clone()) for p in backbone.parameters()]
    with own_cache(candidate.scratch):
        prepared = subject.prepare()
    start = {n: p.detach().clone() for n, p in prepared.model.named_parameters()}
    directory = RunDirectory.create(candidate.scratch, "tiny", candidate.descriptor.name)
    return Attempt(subject, prepared, pretrained, start, directory)


@contextmanager
def own_cache(folder: Path) -> Iterator[None]:
    """Keeps features of tiny models out of the user's cache."""
    before = os.environ.get("TUNEBOOK_CACHE")
    os.environ["TUNEBOOK_CACHE"] = str(folder / "cache")
    try:
        yield
    finally:
        os.environ.pop("TUNEBOOK_CACHE")
        if before is not None:
            os.environ["TUNEBOOK_CACHE"] = before
