"""Notebooks as parameterised programs: their parameters cell, their lint, and papermill runs.

Everything here is light; papermill and nbformat are imported in the functions that need them. The
process that runs a notebook is started for each run of a batch, and needs none of the names below.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunebook.notebooks.lint import lint_notebook
    from tunebook.notebooks.parameters import parameters_for, read_parameters
    from tunebook.notebooks.supervision import Outcome, execute_notebook
    from tunebook.notebooks.verdict import conclude

_HOMES = {
    "Outcome": "supervision",
    "conclude": "verdict",
    "execute_notebook": "supervision",
    "lint_notebook": "lint",
    "parameters_for": "parameters",
    "read_parameters": "parameters",
}
"""Public names and where they live; a name is imported when it is first used."""

__all__ = [
    "Outcome",
    "conclude",
    "execute_notebook",
    "lint_notebook",
    "parameters_for",
    "read_parameters",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
