"""Replaces a whole text, or the longest phrases in it, by a synonym."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tunebook.contracts import AugmentationContext
from tunebook.errors import DataError, Problem
from tunebook_plugins.augmenters.back_to_synonyms.plugin import BackToSynonymsConfig
from tunebook_plugins.augmenters.back_to_synonyms.table import read_table

WORD = re.compile(r"\w+")
Table = Mapping[str, Sequence[str]]


class BackToSynonyms:
    """Looks terms up without regard to letter case; phrases begin and end at word boundaries."""

    def __init__(self, config: BackToSynonymsConfig) -> None:
        self._config = config
        self._file = read_table(config.path) if config.path is not None else None
        self._longest: tuple[Table | None, int] = (None, 0)

    def augment(self, text: str, context: AugmentationContext) -> str | None:
        """Returns the text with other words, or None when the table has none for it.

        Raises:
            DataError: There is no table.
        """
        table = context.synonyms if self._file is None else self._file
        if not table:
            raise DataError(_no_table())
        whole = table.get(text.strip().casefold())
        if whole and self._config.match != "phrases":
            return whole[int(context.rng.integers(len(whole)))]
        if self._config.match == "whole":
            return None
        return self._replace_phrases(text, table, context)

    def _replace_phrases(self, text: str, table: Table, context: AugmentationContext) -> str | None:
        spans = [*find_phrases(text, table, self._words_in_longest(table))]
        if not spans:
            return None
        chosen = context.rng.permutation(len(spans))[: self._config.max_replacements]
        for number in sorted(chosen, reverse=True):  # from the end, so that earlier spans hold
            start, end = spans[number]
            others = table[text[start:end].casefold()]
            text = text[:start] + others[int(context.rng.integers(len(others)))] + text[end:]
        return text

    def _words_in_longest(self, table: Table) -> int:
        if self._longest[0] is not table:
            longest = max(len(WORD.findall(term)) for term in table)
            self._longest = (table, longest)
        return self._longest[1]


def find_phrases(text: str, table: Table, most_words: int) -> Iterator[tuple[int, int]]:
    """Yields spans of `text` that are in `table`: from left to right, the longest first.

    Args:
        text: Any text.
        table: Keys are case-folded.
        most_words: Words in the longest key.
    """
    words = [match.span() for match in WORD.finditer(text)]
    first = 0
    while first < len(words):
        for last in range(min(first + most_words, len(words)) - 1, first - 1, -1):
            start, end = words[first][0], words[last][1]
            if table.get(text[start:end].casefold()):
                yield start, end
                first = last
                break
        first += 1


def _no_table() -> Problem:
    return Problem(
        "augmenter.no_synonyms",
        "augmentation (`back_to_synonyms`)",
        "a table of synonyms",
        "a data source without one",
        "name a CSV or JSON file in `path`",
    )
