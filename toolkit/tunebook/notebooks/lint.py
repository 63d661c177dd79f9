"""What a committed notebook must be, checked without a kernel."""

from __future__ import annotations

import ast
import copy
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunebook.errors import Problem
from tunebook.notebooks.parameters import (
    cell_source,
    metadata_of,
    parameter_problems,
    parsed,
    read_notebook,
)

MAX_CELL_LINES = 15
STRIP = "run `tunebook nb strip`"
FIX = "run `tunebook nb lint --fix`"
WRITES_A_FILE = "%%writefile"
OF_PYTHON = ("%%capture", "%%prun", "%%time", "%%timeit")
"""Magics whose cell is Python."""
Content = Mapping[str, Any]


def lint_notebook(path: str | Path) -> list[Problem]:
    """Returns what is wrong with a notebook that is to be committed.

    Raises:
        ConfigError: It cannot be read as a notebook at all.
    """
    return lint_content(Path(path), read_notebook(Path(path)))


def lint_content(path: Path, content: Content) -> list[Problem]:
    """Returns what is wrong with the notebook that the file `path` holds."""
    problems = [problem for check in CHECKS for problem in check(path, content)]
    return problems + [
        problem
        for number, cell in enumerate(content["cells"], 1)
        if cell.get("cell_type") == "code"
        for problem in _cell_problems(
            f"{path}: cell {number}", cell, content["cells"][: number - 1]
        )
    ]


def _format(path: Path, content: Content) -> Iterator[Problem]:
    import nbformat

    try:
        with warnings.catch_warnings(action="ignore"):
            # a copy, since it silently adds what is missing, such as cell ids
            nbformat.validate(copy.deepcopy(content), relax_add_props=False)
    except Exception as error:  # jsonschema and fastjsonschema raise different ones
        yield _problem(
            "format", str(path), "a valid notebook", str(error).splitlines()[0], "re-save"
        )


def _kernel(path: Path, content: Content) -> Iterator[Problem]:
    kernel = metadata_of(content).get("kernelspec")
    name = kernel.get("name") if isinstance(kernel, dict) else None
    if name != "python3":
        yield _problem("kernel", str(path), "kernelspec python3", f"{name}", "choose Python 3")


def _widgets(path: Path, content: Content) -> Iterator[Problem]:
    if "widgets" in metadata_of(content):
        yield _problem("widget_state", str(path), "no widget state", "some", STRIP)


def _ids(path: Path, content: Content) -> Iterator[Problem]:
    given = (cell.get("id") for cell in content["cells"])
    ids = Counter(name if isinstance(name, str) else None for name in given)
    if None in ids:
        found = f"{ids[None]} cells without one"
        yield _problem("cell_id", str(path), "an id on every cell", found, FIX)
    for twice in (name for name, count in ids.items() if name is not None and count > 1):
        yield _problem("cell_id", str(path), "ids that differ", f"`{twice}` twice", FIX)


CHECKS: Sequence[Callable[[Path, Content], Iterator[Problem]]] = (
    _format,
    parameter_problems,
    _kernel,
    _widgets,
    _ids,
)


def _cell_problems(where: str, cell: Content, before: Sequence[Content]) -> Iterator[Problem]:
    source = cell_source(cell)
    if cell.get("outputs") or cell.get("execution_count") is not None:
        yield _problem("outputs", where, "no outputs or counts", "some", STRIP)
    lines = len(source.strip().splitlines())
    if lines > MAX_CELL_LINES:
        fix = "split it, or move code into the library"
        yield _problem("long_cell", where, f"at most {MAX_CELL_LINES} lines", f"{lines}", fix)
    follows_prose = bool(before) and before[-1].get("cell_type") == "markdown"
    if not follows_prose and not source.lstrip().startswith("#"):
        fix = "say above it what it does"
        yield _problem("unexplained", where, "prose or a comment before code", "neither", fix)
    yield from _code_problems(where, source)


def _code_problems(where: str, source: str) -> Iterator[Problem]:
    try:
        tree = parsed(without_magics(source))
    except SyntaxError as error:
        yield _problem("syntax", where, "Python", str(error), "mend it")
        return
    if _magic(source)[:1] == [WRITES_A_FILE]:  # a lesson on what belongs into one
        return
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    for node in ast.walk(tree):
        if isinstance(node, definitions):
            found = f"a {type(node).__name__} in line {node.lineno}"
            yield _problem("definition", where, "a lesson", found, "move it into the library")


def without_magics(source: str) -> str:
    """Returns the Python of a cell: lines for IPython or the shell are empty, and so is all of a
    cell in another language, such as that of ``%%bash``."""
    name, *rest = _magic(source) or [""]
    writes_python = name == WRITES_A_FILE and rest[-1:] and rest[-1].endswith(".py")
    if name and name not in OF_PYTHON and not writes_python:
        return ""
    return "\n".join("" if line.startswith(("%", "!")) else line for line in source.splitlines())


def _magic(source: str) -> list[str]:
    """Returns the words of the magic that a whole cell is given to; none without one."""
    first, *_ = source.lstrip().splitlines() or [""]
    return first.split() if first.startswith("%%") else []


def _problem(code: str, where: str, expected: str, found: str, fix: str) -> Problem:
    return Problem(f"notebook.{code}", where, expected, found, fix)
