"""Setting parameters of a notebook: in its own cell, checked against the case that it names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebook.cases import resolve_case
from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, Problem, did_you_mean, shorten
from tunebook.host import PluginHost
from tunebook.notebooks.files import NotebookFile, with_source
from tunebook.notebooks.lint import without_magics
from tunebook.notebooks.literals import same_value, with_values
from tunebook.notebooks.parameters import (
    OVERRIDES,
    cell_source,
    is_json,
    listed_parameters,
    parameter_cells,
    parameters_for,
    parsed,
    settings_of_case,
)


@dataclass(frozen=True)
class Change:
    """A parameter that gets another value."""

    before: Any
    after: Any


def with_parameters(
    file: NotebookFile, given: Mapping[str, Any], host: PluginHost | None
) -> tuple[dict[str, Any], dict[str, Change]]:
    """Returns a notebook with other values in its parameters cell, and what changes there.

    What the cell doesn't list goes into its `overrides`, as it does when the notebook is run.

    Args:
        file: The notebook.
        given: Values by name or dotted path.
        host: Plugins to check the case with that the notebook names; None to leave that out.

    Raises:
        ConfigError: The parameters cell cannot be read, there is no such parameter, or the case
            would not be valid.
    """
    listed = listed_parameters(file.path, file.content)
    problems = [*_problems(file.path, listed, given)]
    if problems:
        raise ConfigError(*problems)
    values = parameters_for(file.path, given, listed)
    name = named_case(file.content)
    if host is not None and name is not None:
        resolve_case(host, _beside(file.path, name), settings_of_case(listed, values))
    changes = {
        key: Change(listed[key], value)
        for key, value in values.items()
        if not same_value(listed[key], value)
    }
    return _with_values(file.content, values), changes


def named_case(content: Mapping[str, Any]) -> str | None:
    """Returns the case that a notebook loads by a literal name; None unless there is one."""
    names = {
        name
        for cell in content["cells"]
        if cell.get("cell_type") == "code"
        for name in _loaded(cell_source(cell))
    }
    return names.pop() if len(names) == 1 else None


def _with_values(content: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    (number, source), *_ = parameter_cells(content)
    cells = [*content["cells"]]
    cells[number - 1] = with_source(cells[number - 1], with_values(source, values))
    return {**content, "cells": cells}


def _loaded(source: str) -> Iterator[str]:
    try:
        tree = parsed(without_magics(source))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
        called = called.id if isinstance(called, ast.Name) else called
        first = node.args[0]
        if called == "load_case" and isinstance(first, ast.Constant):
            yield from [first.value] if isinstance(first.value, str) else []


def _beside(notebook: Path, name: str) -> str:
    """Returns the name of a case; a file's is relative to the notebook where it lies there."""
    file = notebook.parent / name
    return str(file) if file.suffix and file.is_file() else name


def _problems(path: Path, listed: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Problem]:
    settings = [*CaseConfig.model_fields, "preset"]
    known = {*listed, OVERRIDES, *settings}
    for key, value in given.items():
        head = key.partition(".")[0]
        if key not in listed and head not in known:
            yield Problem(
                "notebook.unknown_parameter",
                str(path),
                "a parameter of the notebook, or a setting of its case",
                f"`{key}`",
                did_you_mean(head, [*dict.fromkeys([*listed, *settings])]),
            )
        if not is_json(value):
            fix = "write numbers, texts in quotes, true, false, null, lists and mappings of them"
            yield Problem("parameter.type", key, "a value of JSON", shorten(value), fix)
