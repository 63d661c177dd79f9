"""Hook specifications and the frozen descriptors that plugins return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from tunebook.config import PluginConfig
from tunebook.contracts import Card

if TYPE_CHECKING:
    from tunebook.events import Event
    from tunebook.records import EvalReport, RunRecord

PROJECT = "tunebook"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
API = 1
"""Version of hooks, descriptors and contracts; a plugin may declare it as ``api = 1``."""


FAMILIES = ("encoder", "decoder", "encoder_decoder")
FORMS = ("linear", "label_words")
FORM_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "linear": FAMILIES,
    "label_words": ("encoder_decoder",),
}
"""By form of the head, the families that can have it."""


class DeprecatedHook(FutureWarning):
    """A plugin implements a hook, or takes an argument, that a later api won't have."""


@dataclass(frozen=True)
class TaskKind:
    """What can be said of a kind of task without anything heavy; `tunebook.forms` has the rest.

    Attributes:
        name: What `task.kind` says.
        classes: Whether targets are made of classes, which can be counted, drawn and weighed.
        metrics: What is measured where a case is silent.
        primary: The score that choices are then made on.
        forms: Forms of the head that it goes with, the one that always does first.
    """

    name: str
    classes: bool
    metrics: tuple[str, ...]
    primary: str
    forms: tuple[str, ...] = ("linear",)


TASKS: Mapping[str, TaskKind] = {
    kind.name: kind
    for kind in (
        TaskKind(
            "text_classification",
            classes=True,
            metrics=("accuracy", "f1", "roc_auc", "confusion_matrix"),
            primary="macro_f1",
            forms=FORMS,
        ),
        # the answers of a model share one unit of probability, so that a second class would cost
        # the first; independent classes need scores of their own
        TaskKind(
            "multi_label",
            classes=True,
            metrics=("f1", "subset_accuracy", "hamming_loss", "average_precision", "roc_auc"),
            primary="macro_f1",
        ),
        TaskKind(
            "regression",
            classes=False,
            metrics=("r2", "rmse", "mae", "pearson", "spearman"),
            primary="r2",
        ),
    )
}
"""By name, the kinds of task."""


@dataclass(frozen=True)
class Tags:
    """What a strategy supports; legality is a table of these, which tests iterate.

    Attributes:
        tasks: Task kinds.
        families: Model families, out of ``encoder``, ``decoder`` and ``encoder_decoder``.
        forms: Forms of the head, out of ``linear`` and ``label_words``.
        architectures: transformers model types; ``*`` for all.
        frozen_backbone: The backbone's weights stay as they were.
        unsuited: By model type, why it doesn't work there in spite of all the above.
        fits_head: The head is fitted before the task stage, which may then be left out.
        pretraining: Methods of `pretraining` that may come before it.
        multitask: Several tasks with a head each may share the model.
    """

    tasks: tuple[str, ...] = tuple(TASKS)
    families: tuple[str, ...] = FAMILIES
    forms: tuple[str, ...] = FORMS
    architectures: tuple[str, ...] = ("*",)
    frozen_backbone: bool = False
    unsuited: Mapping[str, str] = field(default_factory=dict)
    fits_head: bool = False
    pretraining: tuple[str, ...] = ("full", "lora")
    multitask: bool = True


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from."""

    plugin: str
    distribution: str
    version: str


@dataclass(frozen=True)
class Descriptor:
    """What every plugin says of itself without importing anything heavy.

    Attributes:
        name: What a user writes; unique within its kind.
        summary: One line.
    """

    name: str
    summary: str


@dataclass(frozen=True)
class BuiltDescriptor(Descriptor):
    """A plugin that is built from a config.

    Attributes:
        config: Config class; its `kind` is a `Literal` of `name`.
        factory: ``package.module:Name``, imported on first use and called with the config.
        requires: Modules that must be importable.
        install: What to type when they aren't, such as ``pip install "tunebook[adapters]"``.
    """

    config: type[PluginConfig]
    factory: str
    requires: tuple[str, ...] = ()
    install: str = ""


@dataclass(frozen=True)
class StrategyPlugin(BuiltDescriptor):
    """A way to adapt a pretrained model.

    Attributes:
        tags: What it supports.
        training: Training settings that suit it, used where a case is silent.
        paper: Where it comes from.
        when: When to choose it, in one sentence.
        cost: What it takes in time, memory and parameters, in one sentence.
    """

    tags: Tags = Tags()
    training: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""
    when: str = ""
    cost: str = ""


@dataclass(frozen=True)
class MetricPlugin(BuiltDescriptor):
    """Something to measure.

    Attributes:
        scores: Names of its headline numbers.
        tasks: Kinds of task that it measures.
        scores_by_task: Names of its headline numbers, for the tasks in which they are others.
        lower_is_better: Those of its scores that are better the lower they are.
    """

    scores: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("text_classification",)
    scores_by_task: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()

    def scores_of(self, task: str) -> tuple[str, ...]:
        """Returns the names of its headline numbers for a kind of task."""
        return self.scores_by_task.get(task, self.scores)


@dataclass(frozen=True)
class AugmenterPlugin(BuiltDescriptor):
    """A way to make new training texts."""


@dataclass(frozen=True)
class DataSourcePlugin(BuiltDescriptor):
    """A place where records come from, with its card where that is known beforehand."""

    card: Card | None = None


@dataclass(frozen=True)
class ModelPlugin(BuiltDescriptor):
    """A pretrained model, or a place where such models lie."""


@dataclass(frozen=True)
class ExecutorPlugin(BuiltDescriptor):
    """A place where the runs of a batch are carried out, see `tunebook.attempts.Executor`.

    Its config may have a method `slots_here()`, which returns how many runs it would carry out at
    once without starting anything, for estimates of time.
    """


@dataclass(frozen=True)
class CasePlugin(Descriptor):
    """A ready-made case: a YAML file and the notebook that runs it."""

    file: Path
    notebook: Path


@dataclass(frozen=True)
class ObserverPlugin(Descriptor):
    """A plugin that watches runs; the host makes this of its hooks.

    Attributes:
        hooks: Those of `OBSERVERS` that it implements.
    """

    hooks: tuple[str, ...] = ()


KINDS: Mapping[str, tuple[str, type[Descriptor]]] = {
    "strategy": ("tunebook_strategies", StrategyPlugin),
    "metric": ("tunebook_metrics", MetricPlugin),
    "augmenter": ("tunebook_augmenters", AugmenterPlugin),
    "datasource": ("tunebook_datasources", DataSourcePlugin),
    "model": ("tunebook_models", ModelPlugin),
    "case": ("tunebook_cases", CasePlugin),
    "executor": ("tunebook_executors", ExecutorPlugin),
    "observer": ("", ObserverPlugin),
}
"""By kind, the registration hook and the descriptor it returns; observers register nothing."""

OBSERVERS = (
    "tunebook_run_started",
    "tunebook_event",
    "tunebook_model_prepared",
    "tunebook_evaluated",
    "tunebook_run_finished",
    "tunebook_run_failed",
)
"""Hooks that watch a run. They return nothing and cannot disturb it."""


class TunebookSpecs:
    """The hooks. Registration hooks have no side effects and import nothing heavy.

    A hook that is to go is marked ``@hookspec(warn_on_impl=DeprecatedHook("use … instead"))``, an
    argument that is to go with ``warn_on_impl_args``; whoever implements it is told when loaded.
    """

    @hookspec
    def tunebook_strategies(self) -> Iterable[StrategyPlugin]:  # type: ignore[empty-body]
        """Returns ways to adapt a model.

        Example:
            >>> @hookimpl
            ... def tunebook_strategies():
            ...     yield StrategyPlugin("bitfit", "Biases only.", BitFitConfig, "pkg.impl:BitFit")
        """

    @hookspec
    def tunebook_metrics(self) -> Iterable[MetricPlugin]:  # type: ignore[empty-body]
        """Returns things to measure.

        Example:
            >>> @hookimpl
            ... def tunebook_metrics():
            ...     yield MetricPlugin("kappa", "Cohen's kappa.", KappaConfig, "pkg.impl:Kappa")
        """

    @hookspec
    def tunebook_augmenters(self) -> Iterable[AugmenterPlugin]:  # type: ignore[empty-body]
        """Returns ways to make new training texts.

        Example:
            >>> @hookimpl
            ... def tunebook_augmenters():
            ...     yield AugmenterPlugin("upper", "Shouts.", UpperConfig, "pkg.impl:Upper")
        """

    @hookspec
    def tunebook_datasources(self) -> Iterable[DataSourcePlugin]:  # type: ignore[empty-body]
        """Returns places where records come from.

        Example:
            >>> @hookimpl
            ... def tunebook_datasources():
            ...     yield DataSourcePlugin("crm", "Our CRM.", CrmConfig, "pkg.impl:Crm")
        """

    @hookspec
    def tunebook_models(self) -> Iterable[ModelPlugin]:  # type: ignore[empty-body]
        """Returns pretrained models.

        Example:
            >>> @hookimpl
            ... def tunebook_models():
            ...     yield ModelPlugin("ours", "Our encoder.", OursConfig, "pkg.impl:Ours")
        """

    @hookspec
    def tunebook_cases(self) -> Iterable[CasePlugin]:  # type: ignore[empty-body]
        """Returns ready-made cases.

        Example:
            >>> @hookimpl
            ... def tunebook_cases():
            ...     yield CasePlugin("tickets", "Route a ticket.", here / "t.yaml", here / "t.nb")
        """

    @hookspec
    def tunebook_executors(self) -> Iterable[ExecutorPlugin]:  # type: ignore[empty-body]
        """Returns places where the runs of a batch are carried out.

        Example:
            >>> @hookimpl
            ... def tunebook_executors():
            ...     yield ExecutorPlugin("slurm", "Our cluster.", SlurmConfig, "pkg.impl:Slurm")
        """

    @hookspec
    def tunebook_run_started(self, run: RunRecord) -> None:
        """A run began; its record says `running`."""

    @hookspec
    def tunebook_event(self, run: RunRecord, event: Event) -> None:
        """Something happened, such as a step or an evaluation; see `tunebook.events`.

        The training waits for its end. Who raises isn't told of the rest of the run.
        """

    @hookspec
    def tunebook_model_prepared(self, run: RunRecord, summary: Mapping[str, Any]) -> None:
        """The strategy has prepared the model; `summary` counts its parameters."""

    @hookspec
    def tunebook_evaluated(self, run: RunRecord, report: EvalReport) -> None:
        """The test split was scored."""

    @hookspec
    def tunebook_run_finished(self, run: RunRecord, record: RunRecord) -> None:
        """The run ended well; `record` is its last state."""

    @hookspec
    def tunebook_run_failed(self, run: RunRecord, record: RunRecord, error: BaseException) -> None:
        """The run failed or was stopped; `record` is its last state."""
