"""Texts without labels, for pretraining; never the ones that the case is judged by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tunebook.config import CaseConfig
from tunebook.data.cleaning import text_key
from tunebook.data.dataset import PAIR, Dataset
from tunebook.errors import DataError, Problem, did_you_mean
from tunebook.host import PluginHost

HELD_OUT = 105
"""Second part of the seed of the draw."""


@dataclass(frozen=True)
class Corpus:
    """Texts to learn from, and texts that are only measured on.

    Attributes:
        title: What they are.
        left_out: Texts of the source that the case's validation or test split has too.
    """

    title: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    left_out: int = 0

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all texts, in their order."""
        return hashlib.sha256(json.dumps([self.train, self.held_out]).encode()).hexdigest()


def load_corpus(case: CaseConfig, host: PluginHost, dataset: Dataset) -> Corpus:
    """Returns the corpus that a case is pretrained on.

    Without a source of its own it is the training texts, augmented ones aside, and the validation
    texts are held out; of pairs, both texts. Texts of a source that the validation or test split
    has too are left out.

    Raises:
        ConfigError: The source cannot be built.
        DataError: It has no such column, or fewer than two texts that can be used.
    """
    if case.corpus is None:
        train = dataset.split("train")
        own = _single(train[train["origin"] == "original"])
        seen = {text_key(text) for text in own}  # pairs may share a second text
        held_out = [t for t in _single(dataset.split("validation")) if text_key(t) not in seen]
        return Corpus(dataset.card.title, own, tuple(held_out))
    assert case.pretraining is not None
    source = host.create("datasource", case.corpus).load()
    place = source.card.source or source.card.title
    texts = _texts(source.rows, case.pretraining.text or case.task.text, place)
    judged = {
        text_key(text) for split in ("validation", "test") for text in _single(dataset.split(split))
    }
    kept = [text for key, text in texts.items() if key not in judged]
    if len(kept) < 2:
        raise DataError(_too_few(place, len(kept), len(texts) - len(kept)))
    order = np.random.default_rng([case.seed, HELD_OUT]).permutation(len(kept))
    drawn = [kept[row] for row in order[: case.limits.corpus_rows]]
    held_out = max(1, int(len(drawn) * case.pretraining.held_out))
    return Corpus(
        source.card.title,
        tuple(drawn[held_out:]),
        tuple(drawn[:held_out]),
        len(texts) - len(kept),
    )


def _single(rows: pd.DataFrame) -> tuple[str, ...]:
    """Returns the texts of rows; of pairs both texts, the second ones once each."""
    second = rows[PAIR].drop_duplicates() if PAIR in rows else []
    return (*rows["text"], *second)


def _texts(rows: pd.DataFrame, column: str, place: str) -> dict[str, str]:
    """Returns the different texts of a column by their keys; cells without text are passed over."""
    if column not in rows:
        raise DataError(
            Problem(
                "data.unknown_column",
                "pretraining.text",
                f"a column of {place}",
                f"`{column}`",
                did_you_mean(column, [str(name) for name in rows.columns]),
            )
        )
    cells: list[Any] = rows[column].tolist()
    found = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    return {text_key(text): text for text in reversed(found)}


def _too_few(place: str, kept: int, left_out: int) -> Problem:
    return Problem(
        "data.corpus_too_small",
        f"corpus, {place}",
        "two texts or more that validation and test don't have",
        f"{kept}, and {left_out} that they have",
        "give a larger corpus, or leave `corpus` out to learn from the training texts",
    )
