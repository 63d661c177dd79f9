"""Every form of task, with a few rows that can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunebook.testing import tiny

ROWS = 24


def _of_pairs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows whose label is about the second text."""
    firsts = [*rows[1:], rows[0]]
    return [
        row | {"text": first["text"], "pair": row["text"]}
        for row, first in zip(rows, firsts, strict=True)
    ]


def _with_several_labels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows labelled with their topic, and with a word that some of them have."""
    words = ("acute", "chronic")
    return [
        row | {"label": [row["label"], *(word for word in words if word in row["text"])]}
        for row in rows
    ]


def _with_numbers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows labelled with the place of their topic."""
    topics = sorted(tiny.TOPICS)
    return [row | {"label": topics.index(row["label"])} for row in rows]


TASK_FORMS: Mapping[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "text_classification": ({"kind": "text_classification"}, tiny.rows(ROWS)),
    "text_classification of pairs": (
        {"kind": "text_classification", "pair": "pair"},
        _of_pairs(tiny.rows(ROWS)),
    ),
    "multi_label": ({"kind": "multi_label"}, _with_several_labels(tiny.rows(ROWS))),
    "regression": ({"kind": "regression"}, _with_numbers(tiny.rows(ROWS))),
}
"""By form of the task, its section of a case, and rows that can be told apart."""
