"""What lint finds, why it matters, and the fixes that change nothing a reader or a kernel sees."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunebook.errors import Problem
from tunebook.notebooks.lint import lint_content
from tunebook.notebooks.parameters import cell_source, metadata_of
from tunebook.notebooks.stripping import stripped

WHY: Mapping[str, str] = {
    "notebook.format": "Jupyter, papermill and GitHub read only what the format describes.",
    "notebook.parameters_cell": "A run, a batch and an agent set values in that one cell.",
    "notebook.not_a_literal": "Parameters are read and checked without running any code.",
    "notebook.kernel": "papermill starts the kernel that the notebook names.",
    "notebook.widget_state": "It is large, goes stale, and keeps GitHub from showing the notebook.",
    "notebook.cell_id": "Comparing, editing and merging find a cell by its id.",
    "notebook.outputs": "Outputs hide what changed, and may hold data that must not be shared.",
    "notebook.long_cell": "A cell is one thought: it can be read, run and explained at a glance.",
    "notebook.unexplained": "A reader meets code only after hearing what it is for.",
    "notebook.syntax": "The run would fail in that cell.",
    "notebook.definition": "What is defined in a notebook can neither be tested nor imported.",
}
"""By code, why a finding is one."""

PYTHON = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True)
class Finding:
    """One thing that lint has found, and whether `--fix` mends it."""

    problem: Problem
    fixable: bool

    @property
    def why(self) -> str:
        return WHY.get(self.problem.code, "")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self.problem) | {"why": self.why, "fixable": self.fixable}


def examined(path: Path, content: Mapping[str, Any]) -> tuple[list[Finding], dict[str, Any]]:
    """Returns what lint finds in a notebook, and the notebook with all of it mended that is safe.

    Safe are outputs, widget state, ids, the name of the kernel, and fields that the format wants;
    code, prose and their order stay.
    """
    problems = lint_content(path, content)
    codes = {problem.code for problem in problems}
    mended = copy.deepcopy(dict(content))
    for code, fix in FIXES.items():
        if code in codes:
            mended = fix(mended)
    left = lint_content(path, mended) if codes & FIXES.keys() else problems
    findings = [Finding(problem, problem not in left) for problem in problems]
    # the format is checked up to its first mistake: behind one that is mended stands the next
    behind = [Finding(problem, fixable=False) for problem in left if problem not in problems]
    return findings + behind, mended


def with_ids(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns cells with valid ids that differ; a new one depends on place and source only."""
    taken: set[str] = set()
    named = []
    for number, cell in enumerate(cells):
        wanted = cell.get("id", metadata_of(cell).get("id"))
        fits = isinstance(wanted, str) and _ID.fullmatch(wanted) and wanted not in taken
        name = str(wanted) if fits else _new_id(number, cell, taken)
        taken.add(name)
        named.append({**cell, "id": name})
    return named


def _new_id(number: int, cell: Mapping[str, Any], taken: set[str]) -> str:
    text = f"{number} {cell_source(cell)}".encode("utf-8", "backslashreplace")
    name = hashlib.sha256(text).hexdigest()[:8]
    while name in taken:
        name = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name


def _formatted(content: dict[str, Any]) -> dict[str, Any]:
    """Puts in what nbformat 4.5 wants; another major version is for Jupyter to convert."""
    if content.get("nbformat", 4) != 4:
        return content
    minor = content.get("nbformat_minor")
    content |= {"nbformat": 4, "nbformat_minor": max(minor, 5) if type(minor) is int else 5}
    content["metadata"] = metadata_of(content)
    content["cells"] = with_ids([_formatted_cell(cell) for cell in content["cells"]])
    return content


def _formatted_cell(cell: dict[str, Any]) -> dict[str, Any]:
    if cell.get("cell_type") == "code":
        cell.setdefault("outputs", [])
        cell.setdefault("execution_count", None)
    else:
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
    return {**cell, "metadata": metadata_of(cell), "source": cell.get("source", "")}


def _with_kernel(content: dict[str, Any]) -> dict[str, Any]:
    """Names Python's kernel where the notebook says that it is in Python, or says nothing."""
    metadata = metadata_of(content)
    said = [metadata.get(key) for key in ("kernelspec", "language_info")]
    spec, info = (part if isinstance(part, dict) else {} for part in said)
    languages = {name for name in (spec.get("language"), info.get("name")) if name is not None}
    if languages == {"python"} or not (languages or spec.get("name")):
        return {**content, "metadata": {**metadata, "kernelspec": PYTHON}}
    return content


FIXES: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "notebook.outputs": lambda content: stripped(content)[0],
    "notebook.widget_state": lambda content: stripped(content)[0],
    "notebook.format": _formatted,
    "notebook.cell_id": _formatted,
    "notebook.kernel": _with_kernel,
}
"""By code, the fix."""
