"""Projects and cases made from the templates in `templates/`, in the way that copier makes them.

A template is a folder with a `copier.yml`, which alone says what is asked and what is taken where
nothing is answered. Nothing here asks a person, needs a network or writes over a file.
"""

from __future__ import annotations

from tunebook.scaffolds.names import misspelt, taken
from tunebook.scaffolds.places import template_folder, template_names
from tunebook.scaffolds.templates import Question, Template
from tunebook.scaffolds.writing import State, state_of, write_whole

__all__ = [
    "Question",
    "State",
    "Template",
    "misspelt",
    "state_of",
    "taken",
    "template_folder",
    "template_names",
    "write_whole",
]
