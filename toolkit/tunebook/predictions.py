"""Predictions as metrics get them; public under `tunebook.contracts`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Predictions:
    """Scores of n texts over k classes.

    Attributes:
        targets: Shape (n,), class numbers.
        probabilities: Shape (n, k), rows that add up to one.
        classes: The k class names.
    """

    targets: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]

    @property
    def predicted(self) -> np.ndarray:
        """Shape (n,), the most probable class of each text."""
        best: np.ndarray = self.probabilities.argmax(axis=1)
        return best

    @property
    def outputs(self) -> np.ndarray:
        """Shape (n, k), what a model says of the texts."""
        return self.probabilities

    @property
    def support(self) -> dict[str, int]:
        """Number of texts of each class, by its name."""
        return {name: int((self.targets == i).sum()) for i, name in enumerate(self.classes)}

    def by(self, outputs: np.ndarray) -> Predictions:
        """Returns what another model, with its `outputs`, says of the same texts."""
        return replace(self, probabilities=outputs)


THRESHOLD = 0.5
"""Probability from which on a class of several is predicted."""


@dataclass(frozen=True)
class MultiLabelPredictions(Predictions):
    """Scores of n texts over k classes, of which a text has any number.

    Attributes:
        targets: Shape (n, k), 1 for the classes that a text has and 0 for the others.
        probabilities: Shape (n, k), each between 0 and 1 by itself.
        classes: The k class names.
    """

    @property
    def predicted(self) -> np.ndarray:
        """Shape (n, k), 1 for classes with a probability of one half or more, else 0."""
        likely: np.ndarray = self.probabilities >= THRESHOLD
        return likely.astype(self.targets.dtype)

    @property
    def support(self) -> dict[str, int]:
        return dict(zip(self.classes, self.targets.sum(axis=0).tolist(), strict=True))


@dataclass(frozen=True)
class RegressionPredictions:
    """Numbers that were predicted for n texts.

    Attributes:
        targets: Shape (n,), in the unit of the data.
        predicted: Shape (n,), in the same unit.
        classes: There are none.
    """

    targets: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...] = ()

    @property
    def outputs(self) -> np.ndarray:
        """Shape (n, 1), what a model says of the texts."""
        return self.predicted[:, None]

    @property
    def support(self) -> dict[str, int]:
        return {}

    def by(self, outputs: np.ndarray) -> RegressionPredictions:
        """Returns what another model, with its `outputs` of shape (n, 1), says of these texts."""
        return replace(self, predicted=outputs[:, 0])


AnyPredictions = Predictions | RegressionPredictions
"""What is measured; `Predictions` stands for its multi-label form as well."""
