"""Reads the tabular list that the package simple-icd-10-cm carries.

The package itself isn't imported: it builds a tree of 98,505 codes, which takes seconds, while
reading its XML file takes half of one.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from tunebook.contracts import SourceData
from tunebook.errors import MachineError, Problem
from tunebook_plugins.datasources.icd10cm.plugin import CARD, Icd10cmConfig

PACKAGE = "simple_icd_10_cm"
COLUMNS = ["id", "text", "label", "group", "code", "kind"]
CHAPTERS = {
    1: "Infectious diseases",
    2: "Neoplasms",
    3: "Blood and immunity",
    4: "Endocrine and metabolic",
    5: "Mental disorders",
    6: "Nervous system",
    7: "Eye",
    8: "Ear",
    9: "Circulatory system",
    10: "Respiratory system",
    11: "Digestive system",
    12: "Skin",
    13: "Musculoskeletal",
    14: "Genitourinary system",
    15: "Pregnancy and birth",
    16: "Perinatal conditions",
    17: "Congenital conditions",
    18: "Symptoms and findings",
    19: "Injury and poisoning",
    20: "External causes",
    21: "Health status factors",
    22: "Special purposes",
}
"""Chapter titles, short enough for the axis of a picture."""


class Icd10cmSource:
    """Returns one row for each description and inclusion term.

    Columns: id (the code, inclusion terms with a suffix), text, label (chapter), group (category:
    the first three characters), code, kind (``description`` or ``inclusion``).
    """

    def __init__(self, config: Icd10cmConfig) -> None:
        self._config = config

    def load(self) -> SourceData:
        file = _tabular_list()
        codes = _codes(file, self._config.last_chapter, self._config.max_code_length)
        rows = pd.DataFrame([row for code in codes for row in _rows(*code)], columns=COLUMNS)
        if not self._config.inclusion_terms:
            rows = rows[rows["kind"] == "description"]
        rows = rows[~rows["text"].str.lower().duplicated()].reset_index(drop=True)
        card = replace(CARD, version=f"simple-icd-10-cm {version('simple-icd-10-cm')}, {file.stem}")
        return SourceData(rows, card, synonyms([(texts[0], texts[1:]) for _, _, texts in codes]))


@functools.lru_cache(maxsize=2)  # a notebook reads the same list again for each run of its curve
def _codes(
    file: Path, last_chapter: int, max_code_length: int
) -> tuple[tuple[str, str, list[str]], ...]:
    """Returns label, code and texts of each code, in the order of the classification.

    A category that is a block of its own is left out, as the reference data do: there the name
    means the block.
    """
    found = []
    for chapter in ElementTree.parse(file).getroot().iter("chapter"):
        number = int(chapter.findtext("name", "0"))
        if number > last_chapter:
            continue
        label = f"{number:02d} {CHAPTERS[number]}"
        blocks = {block.get("id") for block in chapter.iter("section")}
        for entry in chapter.iter("diag"):
            code = entry.findtext("name", "")
            if len(code.replace(".", "")) <= max_code_length and code not in blocks:
                terms = [term.text for term in entry.iterfind("inclusionTerm/*")]
                texts = [entry.findtext("desc"), *terms]
                found.append((label, code, [text for text in texts if text]))
    return tuple(found)


def synonyms(codes: list[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Returns, by case-folded term, other names: of a description its inclusion terms, and of an
    inclusion term its description."""
    table: dict[str, dict[str, None]] = {}
    for description, terms in codes:
        for term in terms:
            if term.casefold() != description.casefold():
                table.setdefault(description.casefold(), {})[term] = None
                table.setdefault(term.casefold(), {})[description] = None
    return {term: list(others) for term, others in table.items()}


def _rows(label: str, code: str, texts: list[str]) -> Iterator[tuple[str, ...]]:
    for number, text in enumerate(texts):
        row_id, kind = (f"{code}+{number}", "inclusion") if number else (code, "description")
        yield row_id, text, label, code[:3], code, kind


def _tabular_list() -> Path:
    """Returns the XML file of the package.

    Raises:
        MachineError: The package is missing, or has another layout.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    files = [f for folder in folders or () for f in Path(folder, "data").glob("*tabular*.xml")]
    if not files:
        raise MachineError(
            Problem(
                "environment.missing_package",
                "datasource `icd10cm`",
                "the package simple-icd-10-cm with its XML file",
                "no such file" if spec else "missing: simple_icd_10_cm",
                'pip install "tunebook[offline]"',
            )
        )
    return max(files)
