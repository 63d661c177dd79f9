"""Replaces words that the table knows."""

from __future__ import annotations

import re

from tunebook.contracts import AugmentationContext
from tunebook_abbreviations.plugin import AbbreviationsConfig

WORD = re.compile(r"\w+")


class Abbreviations:
    """Draws for every known word whether it is shortened, from the generator that it is given."""

    def __init__(self, config: AbbreviationsConfig) -> None:
        self.config = config

    def augment(self, text: str, context: AugmentationContext) -> str | None:
        """Returns a shortened text, or None where nothing was shortened."""

        def shorten(match: re.Match[str]) -> str:
            short = self.config.table.get(match[0].casefold())
            if short is None or context.rng.random() >= self.config.probability:
                return match[0]
            return short

        shortened = WORD.sub(shorten, text)
        return None if shortened == text else shortened
