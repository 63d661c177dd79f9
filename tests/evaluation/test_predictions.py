"""Predictions and errors as parquet files."""

import errno
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from example_results import make_predictions
from tunebook.config import TaskConfig
from tunebook.contracts import Predictions
from tunebook.errors import MachineError
from tunebook.evaluation.predictions import (
    predictions_frame,
    write_parquet,
    write_predictions,
)
from tunebook.forms import form_of

CLASSES = ("血液", "os — bone", 'say "skin"')
FORM = form_of(TaskConfig(), CLASSES)


@pytest.fixture
def predictions():
    return make_predictions(CLASSES, n=60)


@pytest.fixture
def frame(predictions):
    return predictions_frame(rows_for(predictions), predictions, FORM)


def rows_for(predictions):
    n = len(predictions.targets)
    return pd.DataFrame(
        {
            "id": range(n),
            "text": [f"text {i}" for i in range(n)],
            "label": [predictions.classes[t] for t in predictions.targets],
            "group": None,
        },
        index=range(1000, 1000 + n),
    )


def test_a_row_tells_what_was_said_of_a_text(frame, predictions):
    told = ["id", "text", "label", "predicted", "confidence", "correct"]
    assert list(frame.columns) == told + [f"p:{name}" for name in CLASSES]
    assert len(frame) == 60
    for i, row in enumerate(frame.to_dict("records")):
        assert row["predicted"] == CLASSES[predictions.predicted[i]]
        assert row["confidence"] == max(row[f"p:{name}"] for name in CLASSES)
        assert row["correct"] == (row["label"] == row["predicted"])


def test_errors_are_the_wrong_rows_the_surest_first(frame):
    errors = FORM.errors(frame)
    assert 0 < len(errors) == (~frame["correct"]).sum() < len(frame)
    assert errors["confidence"].is_monotonic_decreasing
    assert not errors["correct"].any()


def test_both_files_are_read_back_as_they_were(frame, tmp_path):
    write_predictions(frame, FORM, tmp_path / "p.parquet", tmp_path / "e.parquet")
    read = pd.read_parquet(tmp_path / "p.parquet")
    assert read.to_dict("records") == frame.to_dict("records")
    assert len(pd.read_parquet(tmp_path / "e.parquet")) == (~frame["correct"]).sum()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e.parquet", "p.parquet"]


def test_a_model_without_errors_writes_an_empty_table(predictions, tmp_path):
    perfect = Predictions(predictions.targets, np.eye(3)[predictions.targets], CLASSES)
    frame = predictions_frame(rows_for(perfect), perfect, FORM)
    write_predictions(frame, FORM, tmp_path / "p.parquet", tmp_path / "e.parquet")
    assert len(pd.read_parquet(tmp_path / "e.parquet")) == 0


def test_the_errors_of_numbers_begin_with_the_largest_in_either_direction():
    form = form_of(TaskConfig(kind="regression"))
    rows = pd.DataFrame({"id": range(4), "text": "x", "label": [1.0, 2.0, 3.0, 4.0]})
    said = np.array([[1.5], [-1.0], [5.0], [4.0]])
    predictions = form.predictions(form.targets(rows["label"]), said)
    told = form.errors(predictions_frame(rows, predictions, form))
    assert told["error"].tolist() == [-3.0, 2.0, 0.5, 0.0]
    assert told["id"].tolist() == [1, 2, 0, 3]


@settings(max_examples=30, deadline=None)
@given(
    text=st.text(alphabet=st.characters(codec=None), max_size=30),
    identity=st.one_of(st.integers(0, 10**12), st.text(max_size=5), st.none()),
)
def test_any_text_and_id_can_be_stored(tmp_path_factory, text, identity):
    path = tmp_path_factory.mktemp("stored") / "p.parquet"
    # as load_dataset makes it: pandas 3 would make columns of its own text type, which is stricter
    rows = pd.DataFrame({"id": [1, identity], "text": ["x", text]}, dtype=object).assign(label="a")
    two = Predictions(np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]]), ("a", "b"))
    write_parquet(predictions_frame(rows, two, form_of(TaskConfig(), two.classes)), path)
    assert pd.read_parquet(path)["text"][1] == text.encode("utf-8", "replace").decode("utf-8")


def test_a_folder_that_is_not_there_is_a_machine_error(frame, tmp_path):
    with pytest.raises(MachineError) as caught:
        write_parquet(frame, tmp_path / "missing" / "p.parquet")
    assert caught.value.problems[0].code == "environment.not_writable"


def test_a_full_disk_leaves_the_old_file_as_it_was(frame, tmp_path, monkeypatch):
    path = tmp_path / "p.parquet"
    write_parquet(frame.head(3), path)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError) as caught:
        write_parquet(frame, path)
    assert "No space left" in caught.value.problems[0].found
    assert len(pd.read_parquet(path)) == 3
    assert [file.name for file in tmp_path.iterdir()] == ["p.parquet"]
