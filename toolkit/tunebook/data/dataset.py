"""Dataset: labelled texts in three splits, with what was found and done on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from tunebook.contracts import Card

COLUMNS = ("id", "text", "label", "split", "group", "origin", "source_id")
SPLITS = ("train", "validation", "test")


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
            augmenter's kind) and source_id (the row that an augmented row came from, or None).
        classes: Sorted class names; a target is a position in it.
        card: What the data are.
        findings: What was found, and what was left out because of it.
        grouped: Whether the split keeps groups whole.
        synonyms: Table of the data source, for augmenters.
        provenance: Counts and shares in JSON types, for the record.
    """

    rows: pd.DataFrame
    classes: tuple[str, ...]
    card: Card
    findings: tuple[Finding, ...] = ()
    grouped: bool = False
    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""

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

    def targets(self, name: str) -> np.ndarray:
        """Returns the class numbers of one split, int64 of shape (n,)."""
        numbers = {label: number for number, label in enumerate(self.classes)}
        return np.array([numbers[label] for label in self.split(name)["label"]], dtype=np.int64)

    def groups(self, name: str) -> np.ndarray | None:
        """Returns the group names of one split, shape (n,), or None when there are no groups."""
        return self.split(name)["group"].to_numpy(dtype=object) if self.grouped else None

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


def fingerprint(rows: pd.DataFrame) -> str:
    """Returns the SHA-256 over text, label and split of every row, in their order."""
    digest = hashlib.sha256()
    for row in zip(rows["text"], rows["label"], rows["split"], strict=True):
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def split_counts(rows: pd.DataFrame) -> dict[str, int]:
    """Returns the number of rows in each split."""
    return {name: int((rows["split"] == name).sum()) for name in SPLITS}


def class_counts(rows: pd.DataFrame, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Returns, by class and then by split, the number of rows."""
    counts = rows.groupby(["label", "split"]).size().to_dict()
    return {
        label: {name: int(counts.get((label, name), 0)) for name in SPLITS} for label in classes
    }


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
