"""One class for each text: binary and multi-class classification."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunebook.config import TrainingConfig
from tunebook.contracts import Predictions
from tunebook.forms import cells
from tunebook.forms.form import UNSCALED, LinearFit, Scale, TaskForm, Titles
from tunebook.forms.logistic import fit_multinomial, softmax
from tunebook.specs import TASKS, TaskKind

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

CLASS_PREFIX = "p:"
"""Before the name of a class, the column of its probabilities."""


class SingleLabel(TaskForm):
    """A label is a class name, outputs are a softmax over all classes."""

    kind: ClassVar[TaskKind] = TASKS["text_classification"]
    faults: ClassVar[Mapping[str, str]] = {"data.not_a_name": "text or a whole number in every row"}
    variety: ClassVar[str] = "two classes or more"
    titles: ClassVar[Titles] = Titles("Majority class", "logistic regression")
    # TF-IDF rows have unit length, for which scikit-learn's 1.0 regularises too much: on 18 × 128
    # ICD texts macro-F1 0.612 against 0.622
    linear_c: ClassVar[float] = 10.0
    worst_first: ClassVar[str] = (
        "The mistakes that the model was surest of: often the label, or two classes that overlap."
    )

    def fault(self, cell: Any) -> str:
        return "" if cells.is_gap(cell) or cells.is_name(cell) else "data.not_a_name"

    def is_empty(self, cell: Any) -> bool:
        return cells.is_gap(cell) or cells.is_blank(cell)

    def read(self, cell: Any) -> str:
        return cells.as_name(cell)

    def names(self, label: str) -> tuple[str, ...]:
        return (label,)

    def without(self, label: str, rare: Collection[str]) -> str | None:
        return None if label in rare else label

    def strata(self, labels: Sequence[str]) -> list[str]:
        return list(labels)

    def scale_of(self, labels: Sequence[str]) -> Scale:
        return UNSCALED

    def targets(self, labels: Sequence[str]) -> np.ndarray:
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[label] for label in labels], dtype=np.int64)

    def told(self, label: str) -> str:
        return label

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def loss(self, config: TrainingConfig, targets: np.ndarray) -> nn.Module:
        import torch

        weights = self.class_weights(targets, config.class_weights)
        return torch.nn.CrossEntropyLoss(
            None if weights is None else torch.tensor(weights, dtype=torch.float32),
            label_smoothing=config.label_smoothing,
        )

    def class_weights(self, targets: np.ndarray, kind: str) -> np.ndarray | None:
        """Returns the weight of each class in the loss, shape (k,); None when all are alike."""
        if kind == "none":
            return None
        counts = np.bincount(targets, minlength=self.outputs).clip(min=1).astype(np.float64)
        weights = 1 / counts if kind == "balanced" else 1 / np.sqrt(counts)
        # the mean weight of an example is one, so that the learning rate keeps its meaning
        return weights / weights[targets].mean()

    def fit_linear(
        self, features: Any, targets: np.ndarray, c: float, class_weights: str
    ) -> LinearFit:
        return fit_multinomial(features, targets, self.outputs, c, class_weights)

    def decode(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Returns the shares of the classes, of which the largest is predicted."""
        return np.bincount(targets, minlength=self.outputs) / len(targets)

    def predictions(self, targets: np.ndarray, outputs: np.ndarray) -> Predictions:
        return Predictions(targets, outputs, self.classes)

    def answers(self, outputs: np.ndarray) -> list[dict[str, Any]]:
        return [
            {
                "label": self.classes[int(row.argmax())],
                "confidence": float(row.max()),
                "probabilities": dict(zip(self.classes, row.tolist(), strict=True)),
            }
            for row in outputs
        ]

    def columns(self, predictions: Predictions) -> dict[str, Any]:
        """Returns `predicted`, `confidence` (its probability), `correct`, and all probabilities."""
        best = predictions.predicted
        return {
            "predicted": np.array(predictions.classes, dtype=object)[best],
            "confidence": predictions.probabilities.max(axis=1),
            "correct": best == predictions.targets,
        } | probability_columns(predictions)

    def outputs_in(self, frame: pd.DataFrame) -> np.ndarray:
        return probabilities_in(frame, self.classes)

    def errors(self, frame: pd.DataFrame) -> pd.DataFrame:
        return surest_mistakes(frame)


def probability_columns(predictions: Predictions) -> dict[str, np.ndarray]:
    """Returns a column ``p:<class>`` for each class."""
    shares = predictions.probabilities
    return {CLASS_PREFIX + name: shares[:, i] for i, name in enumerate(predictions.classes)}


def probabilities_in(frame: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Returns what `probability_columns` put into a table, shape (n, k)."""
    return frame[[CLASS_PREFIX + name for name in classes]].to_numpy(dtype=np.float64)


def surest_mistakes(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of a table of predictions that are wrong, the most confident first."""
    wrong = frame[~frame["correct"].astype(bool)]
    return wrong.sort_values("confidence", ascending=False, kind="stable").reset_index(drop=True)
