"""The cases that come with tunebook."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tunebook.specs import CasePlugin, hookimpl

HERE = Path(__file__).parent


@hookimpl
def tunebook_cases() -> Iterator[CasePlugin]:
    for name, summary in CASES.items():
        yield CasePlugin(name, summary, HERE / f"{name}.yaml", _notebooks() / f"{name}.ipynb")


CASES = {
    "medical_coding": "ICD-10-CM diagnosis text → chapter of the classification (18 classes).",
    "medical_pretraining": "Masked words of ICD-10-CM first, then its chapters from few labels.",
    "licence_rules": "Passage about a licence → type of the clause, and category of the licence.",
    "legal_licences": "Licence text → category (10 classes, long and imbalanced texts).",
    "legal_prompts": "Licence text → category by a prompt that starts as definitions.",
    "multilingual_sentiment": "Chinese review → sentiment; a language adapter below the task's.",
}


def _notebooks() -> Path:
    """Returns the folder of the notebooks: of the source tree, or where the wheel put them."""
    source_tree = HERE.parents[2] / "notebooks"
    if source_tree.is_dir():
        return source_tree
    return Path(sysconfig.get_path("data")) / "share" / "tunebook" / "notebooks"
