"""The parameters cell: literals only, read without a kernel."""

from __future__ import annotations

import ast
import glob
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, Problem, did_you_mean, shorten

SCRIPT = ".py"
TAG = "parameters"
OVERRIDES = "overrides"
"""The parameter of a notebook that takes what it doesn't list by name."""


def read_notebook(path: Path) -> dict[str, Any]:
    """Returns the JSON of a notebook.

    Raises:
        ConfigError: There is no such file, or it is no notebook.
    """
    return notebook_content(path, read_text(path))


def read_text(path: Path) -> str:
    """Returns what a notebook's file holds, line ends as they are.

    Raises:
        ConfigError: There is no such file, or it holds no text.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        pattern = f"*{glob.escape(path.suffix) or '.ipynb'}"
        fix = did_you_mean(str(path), [str(file) for file in path.parent.glob(pattern)])
        found = error.strerror or str(error)
        wanted = "a script" if path.suffix == SCRIPT else "a notebook"
        raise ConfigError(_problem("missing", path, wanted, found, fix)) from error
    except ValueError as error:
        if path.suffix != SCRIPT:
            raise ConfigError(_not_a_notebook(path, str(error))) from error
        fix = "save it as UTF-8"
        raise ConfigError(
            _problem("not_a_script", path, "a script in UTF-8", str(error), fix)
        ) from error


def notebook_content(path: Path, text: str) -> dict[str, Any]:
    """Returns the JSON of a notebook whose file holds `text`.

    Raises:
        ConfigError: It is no notebook.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(_not_a_notebook(path, str(error))) from error
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ConfigError(_not_a_notebook(path, shorten(content, 60)))
    return dict(content)


def read_parameters(path: str | Path) -> dict[str, Any]:
    """Returns the names and values in the cell tagged ``parameters``.

    Raises:
        ConfigError: There isn't exactly one such cell, or it holds anything but assignments of
            literals of JSON types; with every such line.
    """
    return listed_parameters(Path(path), read_notebook(Path(path)))


def listed_parameters(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the names and values in the parameters cell of the notebook in the file `path`.

    Raises:
        ConfigError: As `read_parameters` has it.
    """
    problems = [*parameter_problems(path, content)]
    if problems:
        raise ConfigError(*problems)
    (_, source), *_ = parameter_cells(content)
    return {name: value for _, name, value in _assignments(ast.parse(source))}


def parameter_cells(content: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Returns (number from 1, source) of the cells tagged ``parameters``."""
    return [
        (number, cell_source(cell))
        for number, cell in enumerate(content["cells"], 1)
        if cell.get("cell_type") == "code" and TAG in cell_tags(cell)
    ]


def cell_source(cell: Mapping[str, Any]) -> str:
    """Returns a cell's source, which a notebook keeps as a text or as a list of lines."""
    source = cell.get("source")
    if isinstance(source, list):
        return "".join(str(line) for line in source)
    return source if isinstance(source, str) else ""


def parsed(source: str) -> ast.Module:
    """Returns the syntax tree of a cell.

    Raises:
        SyntaxError: It isn't Python, or is nested deeper than Python reads.
    """
    try:
        return ast.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "it is nested too deep") from error


def parameter_problems(path: Path, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yields what is wrong with a notebook's parameters."""
    cells = parameter_cells(content)
    if len(cells) != 1:
        numbers = ", ".join(str(number) for number, _ in cells)
        yield _problem(
            "parameters_cell",
            path,
            f"one cell tagged `{TAG}`",
            f"{len(cells)} (cells {numbers})" if cells else "none",
            "tag one code cell in JupyterLab's property inspector" if not cells else "keep one",
        )
        return
    number, source = cells[0]
    yield from _source_problems(f"{path}: cell {number}", source)


def parameters_for(
    path: str | Path, given: Mapping[str, Any], listed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Returns what to inject into a notebook for the parameters that a user gave.

    Keys that the parameters cell has go in as they are; all others (dotted paths, and keys that
    the notebook doesn't list) go into its `overrides`.

    Args:
        path: The notebook.
        given: What the user gave.
        listed: What `read_parameters` says of it, where that is known already.

    Raises:
        ConfigError: The notebook's parameters cannot be read, or it has no `overrides` for what
            it doesn't list.
    """
    listed = read_parameters(path) if listed is None else listed
    named = {key: value for key, value in given.items() if key in listed and key != OVERRIDES}
    others = {key: value for key, value in given.items() if key not in listed}
    wanted = given.get(OVERRIDES, {})
    problems = [*_injection_problems(Path(path), listed, others, wanted)]
    if problems:
        raise ConfigError(*problems)
    if others or wanted:
        named[OVERRIDES] = {**listed[OVERRIDES], **wanted, **others}
    return named


def case_parameters(listed: Mapping[str, Any], injected: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a notebook will hand to `load_case`: the values in its parameters cell under
    the injected ones, with `overrides` laid over the rest."""
    values = {**listed, **injected}
    overrides = values.pop(OVERRIDES, None)
    return {**values, **(overrides if isinstance(overrides, dict) else {})}


def settings_of_case(listed: Mapping[str, Any], injected: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters that are settings of a case: `case_parameters` without those that only
    the notebook itself knows."""
    own = listed.keys() - {*CaseConfig.model_fields, "preset"}
    values = case_parameters(listed, injected)
    return {key: value for key, value in values.items() if key not in own}


def _injection_problems(
    path: Path, listed: Mapping[str, Any], others: Mapping[str, Any], wanted: Any
) -> Iterator[Problem]:
    needed = {**others, **wanted} if isinstance(wanted, Mapping) else others
    if needed and not isinstance(listed.get(OVERRIDES), dict):
        first = next(iter(needed))
        yield Problem(
            "notebook.unknown_parameter",
            str(path),
            "a parameter of the notebook",
            f"`{first}`",
            did_you_mean(first, [*listed]) + "; or give the notebook `overrides = {}`",
        )
    if not isinstance(wanted, Mapping):
        yield Problem(
            "parameter.type",
            OVERRIDES,
            "a mapping of dotted paths to values",
            shorten(wanted),
            """write such as 'overrides={"training.epochs": 2}'""",
        )


def _source_problems(where: str, source: str) -> Iterator[Problem]:
    try:
        tree = parsed(source)
    except SyntaxError as error:
        yield _line_problem(where, error.lineno or 1, source, f"it isn't Python: {error}")
        return
    names: set[str] = set()
    for line, name, value in _assignments(tree):
        if value is _NOT_LITERAL:
            yield _line_problem(where, line, source)
        elif name in names:
            yield _line_problem(where, line, source, f"`{name}` a second time")
        names.add(name)


_NOT_LITERAL = object()


def _assignments(tree: ast.Module) -> Iterator[tuple[int, str, Any]]:
    """Yields (line, name, value) of each statement; the value says when it is no literal."""
    for statement in tree.body:
        target: ast.expr | None = None
        value: ast.expr | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign):
            target, value = statement.target, statement.value
        if isinstance(target, ast.Name):
            yield statement.lineno, target.id, _literal(value)
        else:
            yield statement.lineno, "", _NOT_LITERAL


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return _NOT_LITERAL
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NOT_LITERAL
    return value if is_json(value) else _NOT_LITERAL


def is_json(value: Any) -> bool:
    """Whether `value` comes back unchanged from JSON."""
    if isinstance(value, list):
        return all(is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(item) for key, item in value.items())
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)


def cell_tags(cell: Mapping[str, Any]) -> list[str]:
    """Returns a cell's tags."""
    tags = metadata_of(cell).get("tags")
    return tags if isinstance(tags, list) else []


def metadata_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the metadata of a notebook or a cell; none where they are damaged."""
    metadata = part.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _line_problem(where: str, line: int, source: str, found: str = "") -> Problem:
    lines = source.splitlines()
    text = lines[line - 1].strip() if line <= len(lines) else ""
    return Problem(
        "notebook.not_a_literal",
        f"{where}, line {line}",
        "`name = literal` of JSON types",
        found or f"`{text}`",
        "move it to the next cell",
    )


def _problem(code: str, path: Path, expected: str, found: str, fix: str) -> Problem:
    return Problem(f"notebook.{code}", str(path), expected, found, fix)


def _not_a_notebook(path: Path, found: str) -> Problem:
    return _problem(
        "not_a_notebook", path, "a Jupyter notebook (JSON with `cells`)", found, "name a notebook"
    )
