"""Reads the licence files that the package licensedcode-data carries; nothing is imported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import yaml

from tunebook.contracts import SourceData
from tunebook_plugins.datasources.licences.families import families
from tunebook_plugins.datasources.licences.plugin import CARD, LicencesConfig
from tunebook_plugins.scancode import FILE, data_folder, package_version

COLUMNS = ["id", "text", "label", "group", "key", "family", "name"]
WORD = re.compile(r"\w+")
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class LicencesSource:
    """Returns one row for each licence.

    Columns: id and key (licence key), text, label (category), family and group (key of the first
    licence of the family), name.
    """

    def __init__(self, config: LicencesConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        licences = self._common(_without_repeats([*self._usable()]))
        words = [licence["words"] for licence in licences]
        keys = [licence["key"] for licence in licences]
        family = families(keys, words, self._config.family_similarity)
        rows = [
            (key, licence["text"], licence["category"], kin, key, kin, licence["name"])
            for key, kin, licence in zip(keys, family, licences, strict=True)
        ]
        card = replace(CARD, version=package_version())
        return SourceData(pd.DataFrame(rows, columns=COLUMNS, dtype=object), card)

    def _usable(self) -> Iterator[dict[str, Any]]:
        for file in sorted(data_folder("licenses", "licences").glob("*.LICENSE")):
            match = FILE.match(file.read_text(encoding="utf-8"))
            if match is None:
                continue
            licence = yaml.load(match["header"], Loader=YAML_LOADER)
            licence["text"] = match["text"].strip()
            licence["words"] = tuple(WORD.findall(licence["text"].lower()))
            long_enough = len(licence["text"]) >= self._config.min_characters
            if long_enough and not licence.get("is_generic"):
                yield licence

    def _common(self, licences: list[dict[str, Any]]) -> list[dict[str, Any]]:
        counts = Counter(licence["category"] for licence in licences)
        least = self._config.min_per_category
        return [licence for licence in licences if counts[licence["category"]] >= least]


def _without_repeats(licences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns licences sorted by key, the current one kept of those that have the same words."""
    current_first = sorted(licences, key=lambda x: (bool(x.get("is_deprecated")), x["key"]))
    by_words: dict[tuple[str, ...], dict[str, Any]] = {}
    for licence in current_first:
        by_words.setdefault(licence["words"], licence)
    return sorted(by_words.values(), key=lambda licence: licence["key"])
