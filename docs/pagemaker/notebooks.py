"""Tutorials: the notebooks as pages, as they are, without being run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from pagemaker.places import ROOT, bundled


def all_notebooks() -> list[Path]:
    """Returns the notebooks there are, by name."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def tutorial(notebook: Path) -> str:
    """Returns a notebook as Markdown, with a line on how to run it below its title.

    Committed notebooks have no outputs, so that text and code are all there is to show.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    title, _, rest = "\n\n".join(map(_shown, cells)).strip().partition("\n")
    return f"{title}\n\n!!! note\n    {_how_to_run(notebook)}\n\n{rest.strip()}\n"


def _shown(cell: Any) -> str:
    return f"```python\n{cell.source}\n```" if cell.cell_type == "code" else str(cell.source)


def _how_to_run(notebook: Path) -> str:
    how = f"This page is the notebook `notebooks/{notebook.name}`, shown without its results: open "
    how += "it in JupyterLab and press *Run All*"
    if notebook.stem in bundled().names("case"):
        how += f", or type `tunebook run {notebook.stem} -p preset=smoke` for a quick look"
    return f"{how}."
