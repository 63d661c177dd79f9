"""Notebooks as parameterised programs: their parameters cell, their lint, and papermill runs.

Everything here is light; papermill and nbformat are imported in the functions that need them.
"""

from __future__ import annotations

from tunebook.notebooks.lint import lint_notebook
from tunebook.notebooks.parameters import parameters_for, read_parameters
from tunebook.notebooks.supervision import Outcome, execute_notebook
from tunebook.notebooks.verdict import conclude

__all__ = [
    "Outcome",
    "conclude",
    "execute_notebook",
    "lint_notebook",
    "parameters_for",
    "read_parameters",
]
