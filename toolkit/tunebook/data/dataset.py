"""Dataset: labelled texts in three splits, with what was found and done on the way."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from tunebook.config import TaskConfig
from tunebook.contracts import Card
from tunebook.forms import UNSCALED, Scale, TaskForm, form_of
from tunebook.tables import html_table

PAIR = "pair"
COLUMNS = ("id", "text", "label", "split", "group", "origin", "source_id")
SPLITS = ("train", "validation", "test")
NOTHING_LEFT_OUT = pd.DataFrame({name: [] for name in ("id", "text", "label", "finding")})


@dataclass(frozen=True)
class Finding:
    """Something about the data that a reader of the record should know.

    Attributes:
        code: Stable dotted identifier, such as ``data.duplicates``.
        text: One sentence.
        count: How many rows it is about.
    """

    code: str
    text: str
    count: int
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class Dataset:
    """Labelled texts, cleaned, split and, in the training part, perhaps augmented.

    Attributes:
        rows: Columns id, text, label, split, group (text or None), origin (``original`` or the
            augmenter's kind) and source_id (the row that an augmented row came from, or None);
            where the task has a second text, pair.
        classes: Sorted class names, empty for numbers.
        card: What the data are.
        findings: What was found, and what was left out because of it.
        grouped: Whether the split keeps groups whole.
        synonyms: Table of the data source, for augmenters.
        provenance: Counts and shares in JSON types, for the record.
        task: What the labels are.
        scale: Unit in which numbers are learnt.
        left_out: Rows of the source that were left out, with id, text, label and, in the column
            finding, the code of the finding that says why.
    """

    rows: pd.DataFrame
    classes: tuple[str, ...]
    card: Card
    findings: tuple[Finding, ...] = ()
    grouped: bool = False
    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    task: TaskConfig = field(default_factory=TaskConfig)
    scale: Scale = UNSCALED
    left_out: pd.DataFrame = field(default_factory=NOTHING_LEFT_OUT.copy)

    def __post_init__(self) -> None:
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.rows))

    def split(self, name: str) -> pd.DataFrame:
        """Returns the rows of one split, numbered from 0.

        Raises:
            KeyError: `name` is none of train, validation and test.
        """
        if name not in SPLITS:
            raise KeyError(f"{name!r} is none of {', '.join(SPLITS)}")
        return self.rows[self.rows["split"] == name].reset_index(drop=True)

    def texts(self, name: str) -> list[str]:
        """Returns the n texts of one split."""
        return self.split(name)["text"].tolist()

    def pairs(self, name: str) -> list[str] | None:
        """Returns the n second texts of one split, None when texts stand alone."""
        return self.split(name)[PAIR].tolist() if PAIR in self.rows else None

    @property
    def form(self) -> TaskForm:
        """What knows how labels are learnt and predictions are read."""
        return form_of(self.task, self.classes, self.scale)

    def targets(self, name: str) -> np.ndarray:
        """Returns the labels of one split as numbers, see `TaskForm.targets`."""
        return self.form.targets(self.split(name)["label"].tolist())

    def groups(self, name: str) -> np.ndarray | None:
        """Returns the group names of one split, shape (n,), or None when there are no groups."""
        return self.split(name)["group"].to_numpy(dtype=object) if self.grouped else None

    def _repr_html_(self) -> str:
        counts = split_counts(self.rows)
        rows = {
            "data": self.card.title,
            "licence": self.card.licence,
            "rows": ", ".join(f"{count:,} {name}" for name, count in counts.items()),
            "classes": f"{len(self.classes)}" if self.classes else "numbers",
            "left out": f"{len(self.left_out):,}",
        }
        found = html_table(
            [(each.code, each.level, each.text) for each in self.findings],
            ["finding", "level", "what"],
        )
        return html_table(rows.items()) + (found if self.findings else "<p>nothing found</p>")

    def summary(self) -> dict[str, Any]:
        """Returns what a person wants to know at a glance, in JSON types."""
        return {
            "title": self.card.title,
            "licence": self.card.licence,
            "rows": len(self.rows),
            "classes": len(self.classes),
            "splits": split_counts(self.rows),
            "words": word_counts(self.rows["text"]),
            "findings": [asdict(finding) for finding in self.findings],
            "fingerprint": self.fingerprint,
        }


def texts_of(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    """Returns the text of each row, and its second text where there is one."""
    columns = ["text", *([PAIR] if PAIR in rows else [])]
    return [*zip(*(rows[column] for column in columns), strict=True)]


def fingerprint(rows: pd.DataFrame) -> str:
    """Returns the SHA-256 over texts, label and split of every row, in their order."""
    digest = hashlib.sha256()
    columns = ["text", *([PAIR] if PAIR in rows else []), "label", "split"]
    for row in zip(*(rows[column] for column in columns), strict=True):
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def split_counts(rows: pd.DataFrame) -> dict[str, int]:
    """Returns the number of rows in each split."""
    return {name: int((rows["split"] == name).sum()) for name in SPLITS}


def class_counts(rows: pd.DataFrame, form: TaskForm) -> dict[str, dict[str, int]]:
    """Returns, by class and then by split, the number of rows; nothing for numbers."""
    counts = Counter(
        (name, split)
        for label, split in zip(rows["label"], rows["split"], strict=True)
        for name in form.names(label)
    )
    return {name: {split: counts[name, split] for split in SPLITS} for name in form.classes}


def word_counts(texts: pd.Series) -> dict[str, int]:
    """Returns the median, 95th percentile and maximum of words (between spaces) in a text."""
    counts = np.array([len(text.split()) for text in texts])
    if not len(counts):
        return {"median": 0, "p95": 0, "max": 0}
    return {
        "median": int(np.median(counts)),
        "p95": int(np.percentile(counts, 95)),
        "max": int(counts.max()),
    }
