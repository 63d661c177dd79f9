"""Rows from the case itself."""

from __future__ import annotations

import pandas as pd

from tunebook.contracts import Card, SourceData
from tunebook_plugins.datasources.memory.plugin import MemoryConfig


class MemorySource:
    """Returns the rows of its config; a key that a row lacks is a gap."""

    def __init__(self, config: MemoryConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        card = Card(
            title=self._config.title,
            description="Rows given with the case.",
            licence=self._config.licence or "not stated",
            how_split="as the case's `split` says",
        )
        return SourceData(pd.DataFrame(list(self._config.rows), dtype=object), card)
