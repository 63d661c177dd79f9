"""Notebooks of a few cells, as Jupyter writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

REPOSITORY = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
"""The notebooks that tunebook ships."""

CELL = """\
# what to run
preset = "default"
strategy = "full"  # or lora
seed: int = 0
rates = [1e-4, 2e-4]
overrides = {
    "training.epochs": 1,  # enough
}
"""
LOAD = 'import tunebook as tb\n\ncase = tb.load_case("medical_coding", seed=seed)'


def code(source: str, name: str, *tags: str, **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {"tags": [*tags]} if tags else {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
        **more,
    }


def prose(source: str, name: str, **more: Any) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": lines, **more}


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {
        "cells": [*cells],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}, **metadata},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def lesson(parameters: str = CELL, load: str = LOAD) -> dict[str, Any]:
    """A notebook with prose, parameters, a case, and a cell that shows it."""
    return notebook(
        prose("# A lesson\n\nWith *words*.", "title"),
        code(parameters, "parameters", "parameters"),
        prose("The case.", "about-case"),
        code(load, "load"),
        code("# what it came to\ncase", "show", "keep"),
    )


def saved(path: Path, content: dict[str, Any], indent: int | None = 1) -> Path:
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False) + "\n", "utf-8")
    return path


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def source_of(path: Path, name: str) -> str:
    (cell,) = [cell for cell in read(path)["cells"] if cell["id"] == name]
    return "".join(cell["source"])
