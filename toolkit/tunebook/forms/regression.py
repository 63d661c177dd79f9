"""A number for each text."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunebook.config import TrainingConfig
from tunebook.contracts import RegressionPredictions
from tunebook.forms import cells
from tunebook.forms.form import UNSCALED, LinearFit, Scale, TaskForm, Titles
from tunebook.specs import TASKS, TaskKind

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

STRATA = 10
ROWS_PER_STRATUM = 10
LARGEST = 1e150  # errors are squared
NOT_A_NUMBER, NOT_FINITE = "data.not_a_number", "data.not_finite"


class Regression(TaskForm):
    """A label is a number, the one output is a number on the scale of the training split."""

    kind: ClassVar[TaskKind] = TASKS["regression"]
    faults: ClassVar[Mapping[str, str]] = {
        NOT_A_NUMBER: "a number in every row, with a point before decimals",
        NOT_FINITE: f"a finite number in every row, of a size up to {LARGEST:g}",
    }
    variety: ClassVar[str] = "two different numbers or more"
    titles: ClassVar[Titles] = Titles("Mean", "ridge regression")
    linear_c: ClassVar[float] = 1.0
    worst_first: ClassVar[str] = "The largest errors: often the label, or a text that says little."

    def fault(self, cell: Any) -> str:
        if self.is_empty(cell):
            return ""
        number = _number(cell)
        if number is None:
            return NOT_A_NUMBER
        return "" if abs(number) <= LARGEST else NOT_FINITE

    def is_empty(self, cell: Any) -> bool:
        """Whether a cell is a gap or blank; NaN is no gap but a number that is not finite."""
        return cells.is_blank(cell) or (cells.is_gap(cell) and not cells.is_not_a_number(cell))

    def read(self, cell: Any) -> float:
        number = _number(cell)
        assert number is not None
        return number

    def names(self, label: float) -> tuple[str, ...]:
        return ()

    def without(self, label: float, rare: Collection[str]) -> float:
        return label

    def strata(self, labels: Sequence[float]) -> list[str]:
        """Returns the tenth that each number is in, or larger parts where there are few numbers."""
        parts = max(1, min(STRATA, len(labels) // ROWS_PER_STRATUM))
        order = np.argsort(np.asarray(labels, dtype=np.float64), kind="stable")
        strata = np.empty(len(labels), dtype=np.int64)
        strata[order] = np.arange(len(labels)) * parts // max(len(labels), 1)
        return [str(number) for number in strata]

    def scale_of(self, labels: Sequence[float]) -> Scale:
        if self.task.scaling == "none" or not len(labels):
            return UNSCALED
        values = np.asarray(labels, dtype=np.float64)
        return Scale(float(values.mean()), float(values.std()) or 1.0)

    def targets(self, labels: Sequence[float]) -> np.ndarray:
        return np.array(labels, dtype=np.float64)

    def told(self, label: float) -> float:
        return label

    @property
    def outputs(self) -> int:
        return 1

    def loss(self, config: TrainingConfig, targets: np.ndarray) -> nn.Module:
        from tunebook.forms.losses import ScaledSquares

        return ScaledSquares(*self.scale)

    def fit_linear(
        self, features: Any, targets: np.ndarray, c: float, class_weights: str
    ) -> LinearFit:
        from sklearn.linear_model import Ridge

        mean, deviation = self.scale
        model = Ridge(alpha=1 / c).fit(features, (targets - mean) / deviation)
        return LinearFit(model.coef_[None, :], np.array([model.intercept_]))

    def decode(self, logits: np.ndarray) -> np.ndarray:
        mean, deviation = self.scale
        return logits.astype(np.float64) * deviation + mean

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Returns the mean."""
        return np.array([targets.mean()])

    def predictions(self, targets: np.ndarray, outputs: np.ndarray) -> RegressionPredictions:
        return RegressionPredictions(targets, outputs[:, 0])

    def answers(self, outputs: np.ndarray) -> list[dict[str, Any]]:
        return [{"value": float(row[0])} for row in outputs]

    def columns(self, predictions: RegressionPredictions) -> dict[str, Any]:
        """Returns `predicted`, and `error`: how far it lies above the label."""
        return {
            "predicted": predictions.predicted,
            "error": predictions.predicted - predictions.targets,
        }

    def outputs_in(self, frame: pd.DataFrame) -> np.ndarray:
        return frame[["predicted"]].to_numpy(dtype=np.float64)

    def errors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns all rows, the largest absolute error first."""
        order = np.argsort(-frame["error"].abs().to_numpy(), kind="stable")
        return frame.iloc[order].reset_index(drop=True)


def _number(cell: Any) -> float | None:
    """Returns the number in a cell, None when there is none; too large a one is infinite."""
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, numbers.Real | str):
        return None
    try:
        return float(cell)
    except OverflowError:
        return math.inf
    except ValueError:
        return None
