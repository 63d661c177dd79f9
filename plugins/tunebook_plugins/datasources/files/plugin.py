"""Rows from a CSV, JSON Lines or Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import DataSourcePlugin, hookimpl

FACTORY = "tunebook_plugins.datasources.files.impl"


class FileConfig(PluginConfig):
    """What all files have in common."""

    path: str = Field(min_length=1, description="File; relative to the case file that names it.")
    title: str = Field("", description="Name of the data for the report; the file name if empty.")
    licence: str = Field("", description="Licence of the data, for the report.")


class CsvConfig(FileConfig):
    """A table of text, its first line holding the column names."""

    kind: Literal["csv"] = "csv"
    encoding: str = Field("utf-8", description="Character encoding, such as utf-8 or cp1252.")
    delimiter: str = Field(",", min_length=1, max_length=1, description="Sign between cells.")


class JsonlConfig(FileConfig):
    """One JSON object a line."""

    kind: Literal["jsonl"] = "jsonl"
    encoding: str = Field("utf-8", description="Character encoding, such as utf-8 or cp1252.")


class ParquetConfig(FileConfig):
    """An Apache Parquet file."""

    kind: Literal["parquet"] = "parquet"


@hookimpl
def tunebook_datasources() -> Iterator[DataSourcePlugin]:
    yield DataSourcePlugin("csv", "Rows of a CSV file.", CsvConfig, f"{FACTORY}:CsvSource")
    yield DataSourcePlugin(
        "jsonl", "Rows of a JSON Lines file.", JsonlConfig, f"{FACTORY}:JsonlSource"
    )
    yield DataSourcePlugin(
        "parquet", "Rows of a Parquet file.", ParquetConfig, f"{FACTORY}:ParquetSource"
    )
