"""What running a notebook leaves in it: outputs, counts, times, the state of widgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tunebook.notebooks.parameters import metadata_of

OF_NOTEBOOK = ("widgets", "papermill")
OF_CELL = (
    "ExecuteTime",
    "autoscroll",
    "collapsed",
    "execution",
    "papermill",
    "scrolled",
    "trusted",
)
"""Keys of metadata that tools write when a notebook is run or looked at."""


def stripped(content: Mapping[str, Any]) -> tuple[dict[str, Any], Counter[str]]:
    """Returns a notebook as it is to be committed, and of what how many cells lost something."""
    gone: Counter[str] = Counter()
    cells = [_cell(cell, gone) for cell in content["cells"]]
    gone["widget_state"] += "widgets" in metadata_of(content)
    gone["run_metadata"] += "papermill" in metadata_of(content)
    return _without(content, OF_NOTEBOOK) | {"cells": cells}, +gone


def stripped_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a cell without what running it has left."""
    return _cell(cell, Counter())


def _cell(cell: Mapping[str, Any], gone: Counter[str]) -> dict[str, Any]:
    gone["outputs"] += bool(cell.get("outputs"))
    gone["execution_counts"] += cell.get("execution_count") is not None
    gone["run_metadata"] += not metadata_of(cell).keys().isdisjoint(OF_CELL)
    kept = _without(cell, OF_CELL)
    blank: dict[str, Any] = {"outputs": [], "execution_count": None}
    return kept | {key: value for key, value in blank.items() if key in cell}


def _without(part: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Returns a notebook or a cell without some of its metadata."""
    metadata = metadata_of(part)
    if metadata.keys().isdisjoint(keys):
        return dict(part)
    kept = {key: value for key, value in metadata.items() if key not in keys}
    return {**part, "metadata": kept}
