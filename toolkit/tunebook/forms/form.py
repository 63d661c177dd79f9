"""What every kind of task can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from tunebook.config import TaskConfig, TrainingConfig
from tunebook.contracts import AnyPredictions
from tunebook.specs import TaskKind

if TYPE_CHECKING:
    from torch import nn

Label = Any
"""What a row is labelled with: a class name, a sorted tuple of them, or a number."""


class Scale(NamedTuple):
    """The unit in which numbers are learnt."""

    mean: float = 0.0
    deviation: float = 1.0


UNSCALED = Scale()


class LinearFit(NamedTuple):
    """A linear model: features (n, h) times ``weight.T``, plus `bias`, are logits (n, k).

    Attributes:
        weight: Shape (k, h).
        bias: Shape (k,); minus infinity for a class that was never seen.
    """

    weight: np.ndarray
    bias: np.ndarray


class Titles(NamedTuple):
    """How a report calls the baselines."""

    majority: str
    linear: str


@dataclass(frozen=True)
class TaskForm(ABC):
    """A kind of task, with what its data have taught it.

    Attributes:
        task: Section of the case.
        classes: Class names, in the order of the outputs; empty for numbers.
        scale: Unit of the outputs, for numbers.
        kind: What the light floors know of it.
        faults: By the code of a problem, what a cell of the label column should have been.
        variety: What there must be at least two of, for something to be learnt.
        titles: How a report calls the baselines.
        linear_c: Inverse regularisation of the TF-IDF baseline, fixed beforehand and never tuned.
        worst_first: What the table of errors begins with, in a sentence for readers.
    """

    task: TaskConfig
    classes: tuple[str, ...] = ()
    scale: Scale = UNSCALED

    kind: ClassVar[TaskKind]
    faults: ClassVar[Mapping[str, str]]
    variety: ClassVar[str]
    titles: ClassVar[Titles]
    linear_c: ClassVar[float]
    worst_first: ClassVar[str]

    # cells of the label column

    @abstractmethod
    def fault(self, cell: Any) -> str:
        """Returns the code, one of `faults`, of what is wrong with a cell; empty if nothing is."""

    @abstractmethod
    def is_empty(self, cell: Any) -> bool:
        """Whether a cell says nothing; its row is left out."""

    @abstractmethod
    def read(self, cell: Any) -> Label:
        """Returns the label that a cell, neither faulty nor empty, holds."""

    # labels

    @abstractmethod
    def names(self, label: Label) -> tuple[str, ...]:
        """Returns the classes that a label is made of; none for a number."""

    @abstractmethod
    def without(self, label: Label, rare: Collection[str]) -> Label | None:
        """Returns a label without its rare classes, or None when its row is to be left out."""

    @abstractmethod
    def strata(self, labels: Sequence[Label]) -> list[str]:
        """Returns, for each of n labels, the name of what is kept alike in every split."""

    @abstractmethod
    def scale_of(self, labels: Sequence[Label]) -> Scale:
        """Returns the unit in which the labels of the training split are learnt."""

    @abstractmethod
    def targets(self, labels: Sequence[Label]) -> np.ndarray:
        """Returns n labels as numbers: (n,) class numbers, (n, k) of 0 and 1, or (n,) numbers."""

    @abstractmethod
    def told(self, label: Label) -> str | float:
        """Returns a label as tables show it."""

    # learning

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Number k of outputs of a linear head."""

    @abstractmethod
    def loss(self, config: TrainingConfig, targets: np.ndarray) -> nn.Module:
        """Returns the mean loss of logits (b, k) and the targets of a batch.

        Args:
            config: Its label smoothing and class weights are used.
            targets: Those of the training split, which class weights are counted on.
        """

    @abstractmethod
    def fit_linear(
        self, features: Any, targets: np.ndarray, c: float, class_weights: str
    ) -> LinearFit:
        """Returns the linear model that suits the task.

        Args:
            features: Shape (n, h), dense or sparse.
            targets: Those of the n rows.
            c: Inverse regularisation strength.
            class_weights: As in `training.class_weights`.
        """

    # predictions

    @abstractmethod
    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Returns what logits (n, k) mean: probabilities, or numbers in the unit of the data."""

    @abstractmethod
    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Returns the outputs, shape (k,), of who has seen training targets but no text."""

    @abstractmethod
    def predictions(self, targets: np.ndarray, outputs: np.ndarray) -> AnyPredictions:
        """Returns decoded outputs (n, k) beside the targets, as metrics take them."""

    @abstractmethod
    def answers(self, outputs: np.ndarray) -> list[dict[str, Any]]:
        """Returns decoded outputs (n, k) in words, JSON types, one mapping for each text."""

    @abstractmethod
    def columns(self, predictions: Any) -> dict[str, Any]:
        """Returns the columns about predictions in a table of them, by name."""

    @abstractmethod
    def outputs_in(self, frame: Any) -> np.ndarray:
        """Returns the decoded outputs (n, k) that `columns` put into a table."""

    @abstractmethod
    def errors(self, frame: Any) -> Any:
        """Returns the rows of a table of predictions that are worth reading, the worst first."""
