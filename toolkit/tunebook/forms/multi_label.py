"""Any number of classes for each text, none included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunebook.config import TrainingConfig
from tunebook.contracts import MultiLabelPredictions
from tunebook.forms import cells
from tunebook.forms.form import UNSCALED, LinearFit, Scale, TaskForm, Titles
from tunebook.forms.logistic import fit_one_vs_rest
from tunebook.forms.single_label import probabilities_in, probability_columns, surest_mistakes
from tunebook.predictions import THRESHOLD
from tunebook.specs import TASKS, TaskKind

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

Labels = tuple[str, ...]
LISTS = (list, tuple, set, frozenset, np.ndarray)


class MultiLabel(TaskForm):
    """A label is a sorted tuple of class names, outputs are a sigmoid for each class."""

    kind: ClassVar[TaskKind] = TASKS["multi_label"]
    faults: ClassVar[Mapping[str, str]] = {
        "data.not_labels": "a list of class names in every row, or one text with a separator"
    }
    variety: ClassVar[str] = "two different sets of classes or more"
    titles: ClassVar[Titles] = Titles("Most frequent set", "one-vs-rest logistic regression")
    linear_c: ClassVar[float] = 10.0
    worst_first: ClassVar[str] = (
        "The mistakes that the model was surest of; confidence is the probability of exactly the "
        "predicted classes, taken as independent."
    )

    def fault(self, cell: Any) -> str:
        right = all(map(cells.is_name, cell)) if isinstance(cell, LISTS) else cells.is_name(cell)
        return "" if self.is_empty(cell) or right else "data.not_labels"

    def is_empty(self, cell: Any) -> bool:
        """Whether a cell is a gap; a blank text or an empty list is the empty set."""
        return cells.is_gap(cell)

    def read(self, cell: Any) -> Labels:
        parts = cell if isinstance(cell, LISTS) else cells.as_name(cell).split(self.task.separator)
        return tuple(sorted({cells.as_name(part) for part in parts} - {""}))

    def names(self, label: Labels) -> Labels:
        return label

    def without(self, label: Labels, rare: Collection[str]) -> Labels:
        return tuple(name for name in label if name not in rare)

    def strata(self, labels: Sequence[Labels]) -> list[str]:
        """Returns the rarest class of each set, so that rare classes reach every split.

        The greedy idea of Sechidis et al. 2011 (On the stratification of multi-label data).
        """
        counts = Counter(name for label in labels for name in label)
        return [min(label, key=lambda name: (counts[name], name), default="") for label in labels]

    def scale_of(self, labels: Sequence[Labels]) -> Scale:
        return UNSCALED

    def targets(self, labels: Sequence[Labels]) -> np.ndarray:
        numbers = {name: number for number, name in enumerate(self.classes)}
        targets = np.zeros((len(labels), len(self.classes)), dtype=np.int64)
        for row, label in enumerate(labels):
            targets[row, [numbers[name] for name in label]] = 1
        return targets

    def told(self, label: Labels) -> str:
        return self.task.separator.join(label)

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def loss(self, config: TrainingConfig, targets: np.ndarray) -> nn.Module:
        import torch

        from tunebook.forms.losses import SigmoidLoss

        weights = self.class_weights(targets, config.class_weights)
        tensor = None if weights is None else torch.tensor(weights, dtype=torch.float32)
        return SigmoidLoss(tensor, config.label_smoothing)

    def class_weights(self, targets: np.ndarray, kind: str) -> np.ndarray | None:
        """Returns the weight of having a class, shape (k,): rows without it over rows with it."""
        if kind == "none":
            return None
        positive = targets.sum(axis=0)
        weights = (len(targets) - positive).clip(min=1) / positive.clip(min=1)
        return weights if kind == "balanced" else np.sqrt(weights)

    def fit_linear(
        self, features: Any, targets: np.ndarray, c: float, class_weights: str
    ) -> LinearFit:
        return fit_one_vs_rest(features, targets, c, class_weights)

    def decode(self, logits: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        return expit(logits.astype(np.float64))

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Returns the most frequent set of classes as 0 and 1."""
        sets, counts = np.unique(targets, axis=0, return_counts=True)
        return sets[counts.argmax()].astype(np.float64)

    def predictions(self, targets: np.ndarray, outputs: np.ndarray) -> MultiLabelPredictions:
        return MultiLabelPredictions(targets, outputs, self.classes)

    def answers(self, outputs: np.ndarray) -> list[dict[str, Any]]:
        return [
            {
                "labels": [
                    name for name, p in zip(self.classes, row, strict=True) if p >= THRESHOLD
                ],
                "confidence": float(_of_the_set(row)),
                "probabilities": dict(zip(self.classes, row.tolist(), strict=True)),
            }
            for row in outputs
        ]

    def columns(self, predictions: MultiLabelPredictions) -> dict[str, Any]:
        """Returns `predicted`, `confidence` (its probability), `correct`, and all probabilities."""
        chosen = predictions.predicted
        sets = [tuple(np.array(self.classes, dtype=object)[row == 1]) for row in chosen]
        return {
            "predicted": [self.told(names) for names in sets],
            "confidence": _of_the_set(predictions.probabilities),
            "correct": (chosen == predictions.targets).all(axis=1),
        } | probability_columns(predictions)

    def outputs_in(self, frame: pd.DataFrame) -> np.ndarray:
        return probabilities_in(frame, self.classes)

    def errors(self, frame: pd.DataFrame) -> pd.DataFrame:
        return surest_mistakes(frame)


def _of_the_set(probabilities: np.ndarray) -> np.ndarray:
    """Returns the probability of exactly the predicted classes, (…, k) → (…)."""
    return np.maximum(probabilities, 1 - probabilities).prod(axis=-1)
