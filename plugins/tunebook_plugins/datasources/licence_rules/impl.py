"""Reads the rule files that the package licensedcode-data carries; nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from tunebook.contracts import SourceData
from tunebook_plugins.datasources.licence_rules.plugin import CARD, LicenceRulesConfig
from tunebook_plugins.datasources.licences.families import stem
from tunebook_plugins.scancode import FILE, data_folder, package_version

LABELS = ("type", "category")
FIELD = re.compile(r"^(\w+): +(\S.*?) *$", re.MULTILINE)
"""A line of a header; reading all 35,000 as YAML would take ten times as long."""
FLAG = "is_license_"


class LicenceRulesSource:
    """Returns one row for each passage about a single licence.

    Columns: id (name of the rule), text, type and category (the two labels), key and group
    (licence key), family (the key without its version).
    """

    def __init__(self, config: LicenceRulesConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        rows = self._selected(pd.DataFrame(self._usable(_categories())).astype(object))
        for label in LABELS:
            licences = rows.groupby(label)["key"].transform("nunique")
            rows = rows[licences >= self._config.min_licences]
        rows = rows.assign(group=rows["key"], family=rows["key"].map(stem))
        return SourceData(rows.reset_index(drop=True), replace(CARD, version=package_version()))

    def _selected(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Returns the rows without most of those about licences that have very many."""
        most = self._config.max_per_licence
        if most is None:
            return rows
        place = rows.groupby("key").cumcount()
        shares = (most / rows.groupby("key")["id"].transform("size")).clip(upper=1)
        # row n of a licence is kept where n · share passes a whole number
        return rows[np.floor((place + 1) * shares + 1e-9) > np.floor(place * shares + 1e-9)]

    def _usable(self, categories: dict[str, str]) -> Iterator[dict[str, str]]:
        """Yields the rules that are about one licence and of one type."""
        for file in sorted(data_folder("rules", "licence_rules").glob("*.RULE")):
            match = FILE.match(file.read_text(encoding="utf-8"))
            if match is None:
                continue
            header, text = dict(FIELD.findall(match["header"])), match["text"].strip()
            types = [name.removeprefix(FLAG) for name in header if name.startswith(FLAG)]
            key = header.get("license_expression", "")
            known = key in categories and "is_deprecated" not in header and len(types) == 1
            if known and len(text) >= self._config.min_characters:
                yield {
                    "id": file.stem,
                    "text": text,
                    "type": types[0],
                    "category": categories[key],
                    "key": key,
                }


def _categories() -> dict[str, str]:
    """Returns the category of each licence by its key."""
    found = {}
    for file in data_folder("licenses", "licence_rules").glob("*.LICENSE"):
        match = FILE.match(file.read_text(encoding="utf-8"))
        header = dict(FIELD.findall(match["header"])) if match else {}
        if {"key", "category"} <= header.keys():
            found[header["key"]] = header["category"]
    return found
