"""What plugins and the library promise one another. Light: torch and pandas are for types only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tunebook.predictions import AnyPredictions as AnyPredictions
from tunebook.predictions import MultiLabelPredictions as MultiLabelPredictions
from tunebook.predictions import Predictions as Predictions
from tunebook.predictions import RegressionPredictions as RegressionPredictions
from tunebook.trainings import GroupOf as GroupOf
from tunebook.trainings import ParamGroup as ParamGroup
from tunebook.trainings import Stage as Stage
from tunebook.trainings import StageRunner as StageRunner
from tunebook.trainings import Stateful as Stateful

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import nn


@dataclass(frozen=True)
class Card:
    """What a data set is, in the words a reader of the report needs."""

    title: str
    description: str
    licence: str
    how_split: str
    source: str = ""
    version: str = ""


@dataclass(frozen=True)
class SourceData:
    """What a data source returns.

    Attributes:
        rows: One record a row, any columns; the case's `task` and `split` name those in use.
        card: What the data are.
        synonyms: Terms with the same meaning, for augmenters that want them.
    """

    rows: pd.DataFrame
    card: Card
    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)


@runtime_checkable
class DataSource(Protocol):
    """Reads records. Raises `DataError` or `MachineError`, never a bare exception."""

    def load(self) -> SourceData: ...


@dataclass(frozen=True)
class AugmentationContext:
    """What an augmenter may use.

    Attributes:
        rng: Seeded generator; the only source of randomness an augmenter may use.
        synonyms: Table of the data source, empty when it has none.
        forbidden: Case-folded texts of the other splits, which must not be produced.
    """

    rng: np.random.Generator
    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    forbidden: frozenset[str] = frozenset()


@runtime_checkable
class Augmenter(Protocol):
    """Makes new training texts; sees the training split only."""

    def augment(self, text: str, context: AugmentationContext) -> str | None:
        """Returns a changed text, or None when it has nothing to offer for this one."""
        ...


@dataclass(frozen=True)
class MetricResult:
    """What a metric says.

    Attributes:
        scores: Headline numbers; each gets a bootstrap interval.
        per_class: Numbers by name, then by class.
        table: A k × k table, rows are targets and columns predictions.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    table: Sequence[Sequence[float]] | None = None


@runtime_checkable
class Metric(Protocol):
    """Measures predictions, of the kinds of task that its descriptor names.

    `Predictions` for text_classification, `MultiLabelPredictions` for multi_label and
    `RegressionPredictions` for regression.
    """

    def compute(self, predictions: Any) -> MetricResult: ...

    def resample(self, predictions: Any, draws: Sequence[np.ndarray]) -> Mapping[str, np.ndarray]:
        """Returns every headline score on every draw.

        Args:
            predictions: All n predictions.
            draws: Row numbers of each bootstrap resample.

        Returns:
            By score name, an array of shape (len(draws),).
        """
        ...


@dataclass(frozen=True)
class ModelFiles:
    """Where a pretrained model's files lie and what they must hash to.

    Attributes:
        source: A local folder, or a hub name when `folder` is None.
        folder: Local folder with `config.json`, weights and tokenizer.
        revision: Hub revision.
        sha256: Expected hashes by file name, verified before anything is loaded.
        description: One line for the record.
    """

    source: str
    folder: Path | None = None
    revision: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@runtime_checkable
class ModelSource(Protocol):
    """Finds a pretrained model; it doesn't load it."""

    def files(self) -> ModelFiles: ...


@dataclass(frozen=True)
class Prepared:
    """A model that a strategy has made ready for training.

    Attributes:
        model: The classifier, changed in place or wrapped.
        groups: Optimiser parameter groups; each has `params`, `lr` and `weight_decay`.
        trainer: Subclass of transformers' Trainer that the strategy needs, None for Trainer.
        callbacks: Extra trainer callbacks; one that has a state is a `Stateful` as well.
        cache_features: True when the backbone is frozen and deterministic, so that its pooled
            output may be computed once and the head trained on the cache.
        frozen_layers: How many of the lowest blocks, embeddings included, stay as they are and
            have nothing put into them; their outputs may be computed once.
        export: Writes the adapted backbone in the format of its own library (a transformers,
            peft or adapters folder) into the folder it is given.
        before: Runs stages of the strategy's own before the task stage, never when a saved model
            is loaded. Returns what the record keeps of them, by the name of the stage.
        activate: Called with the name of a task before every batch of it, for a strategy that
            has parts of their own for the tasks of `StrategyContext.tasks`.
    """

    model: nn.Module
    groups: Sequence[ParamGroup]
    trainer: type | None = None
    callbacks: Sequence[Any] = ()
    cache_features: bool = False
    frozen_layers: int = 0
    export: Callable[[Path], None] | None = None
    before: Callable[[StageRunner], Mapping[str, Any]] | None = None
    activate: Callable[[str], None] | None = None


class StrategyContext(Protocol):
    """What a strategy is told about the case and the model."""

    @property
    def architecture(self) -> str:
        """transformers' `model_type` of the backbone, such as ``bert``."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that share the model; none when there is but one task."""
        ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def head_learning_rate(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def primary(self) -> str | None:
        """The validation score that choices are made on; only known while training."""
        ...

    @property
    def scores(self) -> Collection[str]:
        """Validation scores that there are; only known while training."""
        ...

    @property
    def lower_is_better(self) -> Collection[str]:
        """Validation scores that are better the lower they are; only known while training."""
        ...

    @property
    def training(self) -> bool:
        """False when a saved model is being rebuilt to predict."""
        ...

    @property
    def free_positions(self) -> int | None:
        """Positions that the longest input leaves free for a prompt, None when there is no bound.

        Only known while training.
        """
        ...

    @property
    def layers(self) -> int:
        """Number n of blocks of the backbone."""
        ...

    @property
    def weights(self) -> str | None:
        """Hash of the pretrained weights; only known while training."""
        ...

    def model_of(self, run: str) -> Path:
        """Returns the `model/` folder of an earlier run.

        Args:
            run: A run id, its unambiguous beginning, or the folder of the run.

        Raises:
            ConfigError: There is no such run.
        """
        ...

    def tokenize(self, text: str) -> list[int]:
        """Returns the token numbers of `text`, without special tokens."""
        ...

    def is_head(self, name: str) -> bool:
        """Whether the parameter `name` belongs to the new head."""
        ...

    def is_embedding(self, name: str) -> bool:
        """Whether the parameter `name` belongs to the embeddings."""
        ...

    def depth_of(self, name: str) -> int:
        """Returns how high the parameter `name` lies.

        0 for embeddings and their norms, 1…n for blocks from the bottom (an encoder's before a
        decoder's), n + 1 for a final norm, the head and whatever else is above.
        """
        ...

    def frozen_layers(self, model: nn.Module) -> int:
        """Returns how many of the lowest blocks don't learn, embeddings included.

        For `Prepared.frozen_layers` of a strategy that puts nothing into the blocks.
        """
        ...

    def by_depth(self, decay: float = 1.0) -> GroupOf:
        """Returns one group per depth for `groups`; each has `decay` times the rate above it."""
        ...

    def groups(self, model: nn.Module, group_of: GroupOf | None = None) -> list[ParamGroup]:
        """Returns groups of what is trainable, with weight decay on matrices only.

        Args:
            model: The classifier.
            group_of: Group and rate of a parameter; head and backbone with their rates when None.
        """
        ...

    def note(self, text: str) -> None:
        """Tells the reader of the run something, while it is prepared or trained."""
        ...


@runtime_checkable
class Strategy(Protocol):
    """Adapts a pretrained model.

    `prepare` must build the same structure for the same config and seed: a saved run is the
    trained parameters, put back into a model that `prepare` has made.
    """

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared: ...


@runtime_checkable
class RestorableStrategy(Strategy, Protocol):
    """A strategy that builds on more than its config and the pretrained model.

    What it took from elsewhere must be in `Prepared.export`, so that a saved run needs nothing
    but its own folder; frozen weights come from there, trained ones are put back afterwards.
    """

    def restore(self, model: nn.Module, context: StrategyContext, export: Path) -> Prepared:
        """Builds the structure that `prepare` built, from what was exported.

        Args:
            model: The classifier.
            context: As for `prepare`.
            export: The folder that `Prepared.export` wrote.

        Raises:
            ConfigError: The folder is damaged.
        """
        ...


@runtime_checkable
class LanguageStrategy(Strategy, Protocol):
    """A strategy that keeps what is learnt from texts alone in an adapter of its own.

    Its config names the adapter in `language_adapters`, and its tags allow ``adapter`` in
    `pretraining`. `Prepared.export` writes the adapter, so that a saved run needs no other.
    """

    def learn_language(
        self, model: nn.Module, language_model: nn.Module, context: StrategyContext
    ) -> AbstractContextManager[None]:
        """Puts the adapter into the backbone, of which it alone is trainable inside the block.

        It stays there, active, where `prepare` finds it; inside the block the language model may
        read and write through it in ways that the classifier doesn't.

        Args:
            model: The classifier.
            language_model: The same backbone with a head for language modelling.
            context: As for `prepare`.
        """
        ...
