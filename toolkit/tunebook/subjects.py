"""The tasks of a case on one backbone; a single-task case has one of them."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tunebook.config import ALONE, MEAN, CaseConfig
from tunebook.contracts import Prepared, SourceData
from tunebook.data.cleaning import text_key
from tunebook.data.dataset import COLUMNS, Dataset
from tunebook.data.loading import load_dataset, load_source
from tunebook.errors import ConfigError, Problem
from tunebook.events import EventLog
from tunebook.export import save_classifier
from tunebook.host import PluginHost
from tunebook.models.resolve import ResolvedModel
from tunebook.shared_work import SharedWork
from tunebook.subject import Subject, checked_form, keep_prefix, resolve_base
from tunebook.tasks.multi_task import MultiTaskClassifier
from tunebook.training.checkpoints import Checkpoints
from tunebook.training.context import Context
from tunebook.training.precision import Precision

Datasets = Mapping[str, Dataset]


@dataclass
class Subjects:
    """The subject of each task, by name.

    Attributes:
        case: The whole case.
        model: The classifier, or several that share a backbone.
    """

    case: CaseConfig
    by_task: dict[str, Subject]
    model: Any

    @classmethod
    def build(
        cls,
        case: CaseConfig,
        host: PluginHost,
        datasets: Datasets,
        precision: Precision,
        shared: SharedWork | None = None,
    ) -> Subjects:
        """Loads tokenizer and backbone once and puts the head of every task on top."""
        if not case.tasks:
            return cls.alone(Subject.build(case, host, datasets[ALONE], precision, shared))
        base, shared = resolve_base(case, host), shared or SharedWork()
        _check_forms(case, host, base)
        found: dict[str, Subject] = {}
        for name, each in case.by_task().items():
            beside = next(iter(found.values()), None)
            found[name] = Subject.build(
                each, host, datasets[name], precision, shared, base=base, beside=beside
            )
        return cls(case, found, MultiTaskClassifier({n: each.model for n, each in found.items()}))

    @classmethod
    def alone(cls, subject: Subject) -> Subjects:
        """Returns the tasks of a single-task case."""
        return cls(subject.case, {ALONE: subject}, subject.model)

    def items(self) -> ItemsView[str, Subject]:
        return self.by_task.items()

    @property
    def first(self) -> Subject:
        """The first task, whose tokenizer and pretrained weights are those of all."""
        return next(iter(self.by_task.values()))

    def pretrain(
        self, folder: Path, log: EventLog, checkpoints: Checkpoints | None = None
    ) -> dict[str, Any]:
        """Adapts the backbone to the texts of all tasks; returns what the record keeps of it."""
        pooled = pool([subject.dataset for subject in self.by_task.values()])
        learner = replace(self.first, case=self.case, dataset=pooled)
        about = learner.pretrain(folder, log, checkpoints)
        for subject in self.by_task.values():
            subject.adapted = learner.adapted
        return about

    def prepare(self) -> Prepared:
        """Gives the heads their start values and lets the strategy change the model."""
        if not self.case.tasks:
            return self.first.prepare()
        for subject in self.by_task.values():
            subject.start_head()
        prepared = self.first.adapt(self.model, self.context())
        self.model.activate = prepared.activate
        views = [(each, self.of_task(name, prepared).model) for name, each in self.items()]
        keep_prefix(prepared, views)
        return prepared

    def context(self) -> Context:
        """Returns what the strategy is told of several tasks, whose names their scores bear."""
        by_task = {name: subject.context() for name, subject in self.items()}
        free = [c.free_positions for c in by_task.values() if c.free_positions is not None]
        scores = {f"{name}.{score}" for name, c in by_task.items() for score in c.scores}
        lower = {f"{name}.{score}" for name, c in by_task.items() for score in c.lower_is_better}
        return replace(
            next(iter(by_task.values())),
            tasks=self.model.tasks,
            free_positions=min(free, default=None),
            primary=MEAN,
            scores={MEAN, *scores},
            lower_is_better=lower,
        )

    def of_task(self, name: str, prepared: Prepared) -> Prepared:
        """Returns what is prepared as one task sees it: with its own classifier."""
        if name == ALONE:
            return prepared
        return replace(prepared, model=self.model.classifiers[name])

    def save(self, folder: Path, prepared: Prepared) -> None:
        """Writes the trained model."""
        first = self.first
        classes = {name: subject.dataset.classes for name, subject in self.items()}
        scales = {name: subject.dataset.scale for name, subject in self.items()}
        save_classifier(
            folder,
            prepared,
            first.tokenizer,
            self.case,
            classes if self.case.tasks else classes[ALONE],
            first.base,
            first.precision,
            scale=scales if self.case.tasks else scales[ALONE],
            complete=first.moved,
        )


def load_datasets(case: CaseConfig, host: PluginHost) -> dict[str, Dataset]:
    """Returns the data of each task, see `load_dataset`; a source they share is read once.

    Raises:
        ConfigError: Strategy, tasks and model don't go together, which is told before a row is
            read; or what is wrong with the data.
    """
    _check_forms(case, host, resolve_base(case, host))
    sources: dict[str, SourceData] = {}
    found = {}
    for name, own in case.by_task().items():
        key = own.data.model_dump_json()
        if key not in sources:
            sources[key] = load_source(own, host)
        found[name] = load_dataset(own, host, sources[key])
    return found


def trained_elsewhere(datasets: Datasets) -> dict[str, int]:
    """Returns, by task, how many texts that it is judged by are trained on in another task."""
    trained = {name: _keys(each, "train") for name, each in datasets.items()}
    found = {}
    for name, each in datasets.items():
        others = set().union(*(keys for other, keys in trained.items() if other != name))
        found[name] = len(_judged(each) & others)
    return {name: texts for name, texts in found.items() if texts}


def pool(datasets: list[Dataset]) -> Dataset:
    """Returns the texts of several data sets as one, with labels of all kinds that say nothing; a
    text is trained on where none is judged by it."""
    if len(datasets) == 1:
        return datasets[0]
    judged = set().union(*(_judged(each) for each in datasets))
    rows = pd.concat([each.rows[[*COLUMNS]] for each in datasets], ignore_index=True)
    keys = rows["text"].map(text_key)
    kept = rows[(rows["split"] != "train") | ~keys.isin(judged)]
    kept = kept[~kept.assign(key=keys).duplicated(["key", "split"])].reset_index(drop=True)
    return Dataset(kept, (), datasets[0].card)


def _judged(dataset: Dataset) -> set[str]:
    return _keys(dataset, "validation") | _keys(dataset, "test")


def _keys(dataset: Dataset, split: str) -> set[str]:
    return {text_key(text) for text in dataset.texts(split)}


def _check_forms(case: CaseConfig, host: PluginHost, base: ResolvedModel) -> None:
    """Refuses what doesn't go together, heads of more than one form among it."""
    several = bool(case.tasks)
    own = case.by_task()
    forms = {n: checked_form(c, host, base, multitask=several) for n, c in own.items()}
    first = next(iter(forms.values()))
    other = next((name for name, form in forms.items() if form != first), None)
    if other is not None:
        raise ConfigError(
            Problem(
                "head.form",
                f"tasks.{other}.head.form",
                f"one form of heads on one backbone, `{first}`",
                f"`{forms[other]}`",
                "set head.form for all tasks alike",
            )
        )
