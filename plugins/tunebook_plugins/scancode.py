"""The files of the package licensedcode-data, which several data sources read; not imported."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tunebook.errors import MachineError, Problem

FILE = re.compile(r"\A---\r?\n(?P<header>.*?)\r?\n---[ \t]*(?:\r?\n|\Z)(?P<text>.*)", re.DOTALL)
"""A file: YAML between two lines of dashes, then the text."""


def data_folder(name: str, source: str) -> Path:
    """Returns the folder `name` of the package's data.

    Args:
        name: ``licenses`` or ``rules``.
        source: Which data source asks, for the error.

    Raises:
        MachineError: The package is missing, or has another layout.
    """
    spec = importlib.util.find_spec("licensedcode")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        found = Path(folder, "data", name)
        if found.is_dir():
            return found
    raise MachineError(
        Problem(
            "environment.missing_package",
            f"datasource `{source}`",
            "the package licensedcode-data",
            f"no folder licensedcode/data/{name}",
            'pip install "tunebook[offline]"',
        )
    )


def package_version() -> str:
    """Returns name and version of the package, nothing where it goes by another name."""
    try:
        return f"licensedcode-data {version('licensedcode-data')}"
    except PackageNotFoundError:  # scancode-toolkit carries the same files
        return ""
