"""Predictions as tables: what was said of each text, and which of it was wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from tunebook.contracts import AnyPredictions
from tunebook.data.dataset import PAIR
from tunebook.forms import TaskForm
from tunebook.records import write_atomically
from tunebook.shared_work import array_sha256, json_sha256


def predictions_frame(
    dataset_rows: pd.DataFrame, predictions: AnyPredictions, form: TaskForm
) -> pd.DataFrame:
    """Returns one row for each text.

    Args:
        dataset_rows: The n scored rows, in order, with `id`, `text`, `label` and, for pairs,
            `pair`.
        predictions: Their scores.
        form: What the targets are.

    Returns:
        Columns `id`, `text`, `pair` where there is one, `label`, `group` where the split is by
        groups, and those that the form tells.
    """
    rows = dataset_rows.assign(label=[form.told(label) for label in dataset_rows["label"]])
    if "group" in rows and rows["group"].isna().all():
        rows = rows.drop(columns="group")
    shown = [name for name in ("id", "text", PAIR, "label", "group") if name in rows]
    told = {name: _storable(rows[name]) for name in shown}
    return pd.DataFrame(told | form.columns(predictions))


def write_predictions(
    frame: pd.DataFrame, form: TaskForm, predictions_path: Path, errors_path: Path
) -> None:
    """Writes a predictions frame and the errors in it as parquet.

    Raises:
        MachineError: The folder cannot be written to or the disk is full.
    """
    write_parquet(frame, predictions_path)
    write_parquet(form.errors(frame), errors_path)


def frame_sha256(frame: pd.DataFrame) -> str:
    """Returns the SHA-256 of what a table says, whatever library would write it to disk."""
    digest = hashlib.sha256()
    for name in frame:
        values = frame[name].to_numpy()
        told = array_sha256(values) if values.dtype != object else json_sha256(frame[name].tolist())
        digest.update(f"{name} {told}\n".encode())
    return digest.hexdigest()


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
