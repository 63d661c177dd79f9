"""Reads the hub through `datasets`; class numbers become names, split names become ours."""

from __future__ import annotations

from typing import Any

import datasets
import pandas as pd

from tunebook.contracts import Card, SourceData
from tunebook.errors import DataError, MachineError, Problem, TunebookError, did_you_mean
from tunebook_plugins.datasources.hub.plugin import HubDataConfig

SPLIT_NAMES = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "eval": "validation",
    "testing": "test",
}
"""What hub data sets call a split, and what tunebook does; other names stay."""


FAILURES: tuple[tuple[type[Exception], type[TunebookError], str, str, str], ...] = (
    (
        FileNotFoundError,
        DataError,
        "data.hub_unknown",
        "a data set of the hub, or a folder",
        "check the name on huggingface.co/datasets; for a private one run `hf auth login`",
    ),
    (
        ConnectionError,
        MachineError,
        "environment.no_network",
        "the hub to answer",
        "connect to the network, or use a local file with `csv`, `jsonl` or `parquet`",
    ),
    (
        OSError,
        MachineError,
        "environment.hub",
        "the data set to be read",
        "check network, disk space and $HF_HOME, and try again",
    ),
    (
        Exception,
        DataError,
        "data.hub_unreadable",
        "a data set that loads",
        "change `data.name`, `data.subset` or `data.revision`, as the message says",
    ),
)
"""What `load_dataset` raises, from the narrowest to the widest, and what tunebook says."""


class HubSource:
    """Returns the rows of all chosen splits, with the column `split` for `split: given`."""

    def __init__(self, config: HubDataConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        parts = self._download()
        missing = [name for name in self._config.splits if name not in parts]
        if missing:
            raise DataError(*(self._unknown_split(name, list(parts)) for name in missing))
        chosen = self._config.splits or tuple(parts)
        rows = pd.concat([_frame(name, parts[name]) for name in chosen], ignore_index=True)
        return SourceData(rows, self._card(parts[chosen[0]].info, chosen))

    def _download(self) -> datasets.DatasetDict:
        config = self._config
        try:
            return datasets.load_dataset(config.name, config.subset, revision=config.revision)
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> TunebookError:
        _, error_class, *words = next(row for row in FAILURES if isinstance(error, row[0]))
        code, expected, fix = words
        found = " ".join(str(error).split())[:300]
        return error_class(Problem(code, f"data.name: `{self._config.name}`", expected, found, fix))

    def _unknown_split(self, name: str, known: list[str]) -> Problem:
        expected = f"a split of `{self._config.name}`"
        return Problem(
            "data.unknown_split", "data.splits", expected, f"`{name}`", did_you_mean(name, known)
        )

    def _card(self, info: Any, splits: tuple[str, ...]) -> Card:
        return Card(
            title=self._config.name,
            description=" ".join((info.description or "").split())[:500]
            or f"The data set {self._config.name} of the Hugging Face hub.",
            licence=info.license or "see the page of the data set",
            how_split=f"the hub has {', '.join(splits)}; `split: given` uses them",
            source=info.homepage or self._config.name,
            version=self._config.revision or str(info.version or ""),
        )


def _frame(name: str, part: datasets.Dataset) -> pd.DataFrame:
    """Returns the rows of one split. A column called `split` that is there already is kept."""
    rows = part.to_pandas().astype(object)
    for column, feature in part.features.items():
        if isinstance(feature, datasets.ClassLabel):
            rows[column] = [_class_name(feature, number) for number in rows[column]]
    if "split" not in rows:
        rows["split"] = SPLIT_NAMES.get(name, name)
    return rows


def _class_name(feature: datasets.ClassLabel, number: Any) -> str | None:
    """Returns the name of a class; the hub marks hidden labels by -1 or a gap."""
    return None if pd.isna(number) or number < 0 else feature.int2str(int(number))
