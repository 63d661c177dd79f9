"""Predictions as tables: what was said of each text, and which of it was wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tunebook.contracts import Predictions
from tunebook.records import write_atomically

CLASS_PREFIX = "p:"
"""Before the name of a class, the column of its probabilities."""


def predictions_frame(dataset_rows: pd.DataFrame, predictions: Predictions) -> pd.DataFrame:
    """Returns one row for each text.

    Args:
        dataset_rows: The n scored rows, in order, with `id`, `text` and `label`.
        predictions: Their scores.

    Returns:
        Columns `id`, `text`, `label`, `predicted`, `confidence` (probability of `predicted`),
        `correct`, `group` where the split is by groups, and a column ``p:<class>`` for each class.
    """
    best = predictions.predicted
    names = np.array(predictions.classes, dtype=object)
    told = pd.DataFrame(
        {
            "id": _storable(dataset_rows["id"]),
            "text": _storable(dataset_rows["text"]),
            "label": _storable(dataset_rows["label"]),
            "predicted": names[best],
            "confidence": predictions.probabilities.max(axis=1),
            "correct": best == predictions.targets,
        }
    )
    if "group" in dataset_rows and dataset_rows["group"].notna().any():
        told["group"] = _storable(dataset_rows["group"])
    columns = [CLASS_PREFIX + name for name in predictions.classes]
    shares = pd.DataFrame(predictions.probabilities, columns=columns)
    return pd.concat([told, shares], axis=1)


def errors_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the wrong rows of a predictions frame, the most confident first."""
    wrong = frame[~frame["correct"].astype(bool)]
    return wrong.sort_values("confidence", ascending=False, kind="stable").reset_index(drop=True)


def write_predictions(frame: pd.DataFrame, predictions_path: Path, errors_path: Path) -> None:
    """Writes a predictions frame and the errors in it as parquet.

    Raises:
        MachineError: The folder cannot be written to or the disk is full.
    """
    write_parquet(frame, predictions_path)
    write_parquet(errors_frame(frame), errors_path)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Writes a table, whole or not at all.

    Raises:
        MachineError: The folder cannot be written to or the disk is full.
    """
    write_atomically(path, frame.to_parquet(index=False))


def _storable(column: pd.Series) -> np.ndarray:
    """Returns values that parquet can hold: numbers as they are, anything else as valid text."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy()
    texts = [str(value).encode("utf-8", "replace").decode("utf-8") for value in column]
    return np.array(texts, dtype=object)
