"""Notebooks as Python scripts and back: jupytext's percent format, with ids and tags kept."""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tunebook.errors import ConfigError, MachineError, Problem, shorten
from tunebook.notebooks.mending import PYTHON, with_ids
from tunebook.notebooks.parameters import cell_source, metadata_of
from tunebook.notebooks.stripping import OF_NOTEBOOK, stripped, stripped_cell

FORMAT = "py:percent"
OURS, MADE_FROM = "tunebook", "made_from"
NOT_IN_SCRIPTS = (*OF_NOTEBOOK, "jupytext")
"""Metadata of a notebook that stay with it."""
_MARK = re.compile(rf"{MADE_FROM}: (nb-[0-9a-f]{{16}})")
_OF_JUPYTEXT = (
    "cell_marker",
    "lines_to_next_cell",
    "lines_to_end_of_cell_marker",
    "noskipline",
    "skipline",
)
"""Metadata in which jupytext notes how a script was laid out."""

Content = Mapping[str, Any]


def to_script(path: Path, content: Content) -> str:
    """Returns a notebook as a script that `from_script` makes the same notebook of.

    Outputs and pictures in markdown stay behind; they are put back from the notebook.

    Args:
        path: The notebook, for what is said of it.
        content: What it holds.

    Raises:
        ConfigError: Its cells have no ids of their own, or hold what a script can't.
        MachineError: jupytext isn't installed.
    """
    if with_ids(content["cells"]) != [*content["cells"]]:
        problem = ("notebook.cell_id", str(path), "an id of its own for every cell", "some without")
        raise ConfigError(Problem(*problem, "run `tunebook nb lint --fix`"))
    script = _written(content)
    lost = _first_difference(content["cells"], _read(script)["cells"])
    if lost is not None:
        raise ConfigError(_no_round_trip(path, lost, content["cells"]))
    return script


def from_script(script: str, onto: Content | None = None) -> dict[str, Any]:
    """Returns the notebook that a script is.

    Args:
        script: Python with ``# %%`` between cells.
        onto: The notebook as it was. A cell whose source and tags are still the same stays as it
            is there, outputs included; a picture in a markdown cell stays in any case.

    Raises:
        MachineError: jupytext isn't installed.
    """
    read, before = _read(script), metadata_of(onto or {})
    old = {cell.get("id"): cell for cell in onto["cells"]} if onto else {}
    minor = (onto or {}).get("nbformat_minor")
    metadata = {key: before[key] for key in NOT_IN_SCRIPTS if key in before} | read["metadata"]
    return {
        **(onto or {}),
        "cells": [_laid_onto(cell, old.get(cell["id"], {})) for cell in read["cells"]],
        "metadata": {key: metadata[key] for key in [*before, *metadata] if key in metadata},
        "nbformat": 4,
        "nbformat_minor": max(minor, 5) if type(minor) is int else 5,
    }


def fingerprint(content: Content) -> str:
    """Returns a short name of what a script can hold of a notebook."""
    told = [_portable(content), [_essence(cell) for cell in content["cells"]]]
    text = json.dumps(told, sort_keys=True).encode("utf-8")
    return f"nb-{hashlib.sha256(text).hexdigest()[:16]}"


def made_from(script: str) -> str | None:
    """Returns the fingerprint of the notebook that a script was made from, or last written to."""
    found = _MARK.search(script)
    return found[1] if found else None


def now_made_from(script: str, content: Content) -> str:
    """Returns a script with the fingerprint of the notebook that it has just been written to."""
    return _MARK.sub(f"{MADE_FROM}: {fingerprint(content)}", script, count=1)


def _written(content: Content) -> str:
    nbformat = importlib.import_module("nbformat")
    bare = copy.deepcopy(stripped(content)[0])
    for cell in bare["cells"]:
        cell["metadata"] = {"id": cell["id"], **metadata_of(cell)}
        cell["source"] = _told(cell)
    everything = {"cell_metadata_filter": "all", "notebook_metadata_filter": "all"}
    bare["metadata"] = {
        **_portable(content),
        OURS: {MADE_FROM: fingerprint(content)},
        "jupytext": everything,
    }
    with warnings.catch_warnings(action="ignore"):  # what it cannot keep is seen when read back
        text: str = _jupytext().writes(nbformat.from_dict(bare), fmt=FORMAT)
    return text + "\n"


def _read(script: str) -> dict[str, Any]:
    """Returns the metadata and cells of a script, with ids and without what jupytext adds."""
    with warnings.catch_warnings(action="ignore"):
        node = _jupytext().reads(script, fmt=FORMAT)
    read = json.loads(json.dumps(node))
    cells = with_ids([_plain(cell) for cell in read["cells"]])
    metadata = _portable(read) or {"kernelspec": PYTHON}
    return {"metadata": metadata, "cells": [_sorted(cell) for cell in cells]}


def _plain(cell: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {k: v for k, v in metadata_of(cell).items() if k not in _OF_JUPYTEXT}
    name = metadata.pop("id", None)
    ran: dict[str, Any] = {"outputs": [], "execution_count": None}
    ran = ran if cell["cell_type"] == "code" else {}
    plain = {"cell_type": cell["cell_type"], "id": name, "metadata": metadata, **ran}
    plain["source"] = cell["source"].splitlines(keepends=True)
    # a cell that a person has added has no id yet
    return {key: value for key, value in plain.items() if value is not None or key in ran}


def _sorted(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a cell with its keys in Jupyter's order."""
    return dict(sorted(cell.items()))


def _laid_onto(cell: dict[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    if old and _essence(cell) == _essence(old):
        return dict(old)
    pictures = old.get("attachments") if cell["cell_type"] == "markdown" else None
    return _sorted({"attachments": pictures, **cell}) if pictures else cell


def _portable(content: Content) -> dict[str, Any]:
    """Returns the metadata of a notebook that its script has."""
    left_out = (*NOT_IN_SCRIPTS, OURS)
    return {key: value for key, value in metadata_of(content).items() if key not in left_out}


def _essence(cell: Mapping[str, Any]) -> list[Any]:
    """Returns what a script holds of a cell."""
    name = cell.get("id")
    metadata = metadata_of(stripped_cell(cell))
    # Colab keeps the id there a second time
    told = {key: value for key, value in metadata.items() if (key, value) != ("id", name)}
    return [name, cell.get("cell_type"), _told(cell), told]


def _told(cell: Mapping[str, Any]) -> str:
    """Returns a cell's source; blank lines around it mean nothing, and scripts can't hold them."""
    return cell_source(cell).strip("\n")


def _first_difference(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> int | None:
    """Returns the place of the first cell that isn't the same, None where all are."""
    for place, (one, other) in enumerate(zip(before, after, strict=False)):
        if _essence(one) != _essence(other):
            return place
    return None if len(before) == len(after) else min(len(before), len(after))


def _jupytext() -> ModuleType:
    try:
        return importlib.import_module("jupytext")
    except ModuleNotFoundError as error:
        install = 'pip install "tunebook[jupytext]"'
        found = f"missing: {error.name}"
        raise MachineError(
            Problem(
                "environment.missing_package",
                "notebooks as scripts",
                "jupytext to be installed",
                found,
                install,
            )
        ) from error


def _no_round_trip(path: Path, place: int, cells: Sequence[Mapping[str, Any]]) -> Problem:
    lines = cell_source(cells[place]).strip().splitlines() if place < len(cells) else []
    return Problem(
        "notebook.no_round_trip",
        f"{path}: cell {place + 1}",
        "a cell that comes back from a script as it was",
        shorten(lines[0] if lines else "", 60),
        "look for lines that begin with `# %%`, or odd line ends",
    )
