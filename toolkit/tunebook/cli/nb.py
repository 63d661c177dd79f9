"""Notebooks by program: `nb lint`, `params`, `set`, `strip`, `diff`, `to-py` and `from-py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import DRY, Settings, dry_run_option, group
from tunebook.errors import ConfigError, NotIdenticalError, Problem, TunebookError, shorten
from tunebook.notebooks.files import NotebookFile
from tunebook.notebooks.literals import literal

if TYPE_CHECKING:
    from tunebook.notebooks.differing import CellChange, Differences
    from tunebook.notebooks.mending import Finding

PATH = click.Path(path_type=Path)
force_option = click.option("--force", is_flag=True, help="Overwrite what is there.")
SHOWN = 60
"""Signs of a value that a table shows."""


@group("nb")
def nb_command() -> None:
    """Look at, check and change notebooks without opening them.

    Whatever is written keeps the layout of the file, and is written as a whole or not at all.
    """


@nb_command.command("lint", short_help="Say what is wrong with notebooks, and why it matters.")
@click.argument("notebooks", nargs=-1, required=True, type=PATH, metavar="NB | DIR ...")
@click.option("--fix", is_flag=True, help="Fix what is safe to fix: outputs, ids, kernel, format.")
@dry_run_option
def lint_command(notebooks: tuple[Path, ...], fix: bool, dry_run: bool) -> Answer:
    """Say what is wrong with notebooks that are to be committed, and why that matters.

    Of a folder, all its notebooks. The exit code is 2 where something is wrong that wasn't fixed.
    """
    told: list[dict[str, Any]] = []
    left: list[Problem] = []
    for path in _expanded(notebooks):
        try:
            findings = _linted(path, fix=fix, dry_run=dry_run)
        except TunebookError as error:
            told.append({"notebook": str(path), "findings": [], **error.to_dict()})
            left += error.problems
            continue
        rows = [each.to_dict() | {"fixed": fix and each.fixable} for each in findings]
        told.append({"notebook": str(path), "findings": rows})
        left += [each.problem for each in findings if not (fix and each.fixable)]
    found = [row for each in told for row in each["findings"]]
    fixable = sum(row["fixable"] and not row["fixed"] for row in found)
    hints = [f"tunebook nb lint --fix mends {fixable} of them"] if fixable else []
    data = {"dry_run": dry_run, "notebooks": told}
    wrong = ConfigError(*left) if left else None
    return Answer(_lint_text(told, dry_run), data, wrong, hints=hints)


def _linted(path: Path, *, fix: bool, dry_run: bool) -> list[Finding]:
    from tunebook.notebooks.mending import examined

    file = NotebookFile.read(path)
    findings, mended = examined(path, file.content)
    if fix:
        file.write(mended, dry_run=dry_run)
    return findings


def _lint_text(told: Sequence[Mapping[str, Any]], dry_run: bool) -> str:
    word = "would be fixed" if dry_run else "fixed"
    rows = [
        (word if row["fixed"] else "", row["code"], row["where"], row["why"])
        for each in told
        for row in each["findings"]
    ]
    if rows:
        return table(rows, ("", "finding", "where", "why it matters"))
    clean = sum("problems" not in each for each in told)
    return f"{clean} notebooks, nothing to say" if clean else ""


@nb_command.command("params", short_help="Print the parameters of a notebook.")
@click.argument("notebook", type=PATH, metavar="NB")
def params_command(notebook: Path) -> Answer:
    """Print the names and values in the parameters cell of NB, and the case that it loads."""
    from tunebook.notebooks.parameters import OVERRIDES, listed_parameters, parameter_cells
    from tunebook.notebooks.setting import named_case

    file = NotebookFile.read(notebook)
    listed = listed_parameters(file.path, file.content)
    (number, _), *_ = parameter_cells(file.content)
    data = {
        "notebook": str(notebook),
        "case": named_case(file.content),
        "cell": number,
        "id": file.content["cells"][number - 1].get("id"),
        "takes_overrides": isinstance(listed.get(OVERRIDES), dict),
        "parameters": listed,
    }
    text = "\n".join(f"{name} = {literal(value)}" for name, value in listed.items())
    return Answer(text, data)


@nb_command.command("set", short_help="Change parameters in the notebook itself.")
@click.argument("notebook", type=PATH, metavar="NB")
@click.argument("values", nargs=-1, required=True, metavar="KEY=VALUE ...")
@click.option("--no-check", is_flag=True, help="Don't check the case that the notebook loads.")
@dry_run_option
@click.pass_obj
def set_command(
    settings: Settings, notebook: Path, values: tuple[str, ...], no_check: bool, dry_run: bool
) -> Answer:
    """Change values in the parameters cell of NB; comments and layout stay.

    KEY is one of its parameters, or a setting of its case by dotted path, such as training.epochs,
    which goes into `overrides`. The case that the notebook loads must be valid with the new values.
    """
    from tunebook.cases import parse_parameters
    from tunebook.notebooks.setting import named_case, with_parameters

    file = NotebookFile.read(notebook)
    host = None if no_check else settings.host()
    content, changes = with_parameters(file, parse_parameters(values), host)
    file.write(content, dry_run=dry_run)
    data = {
        "notebook": str(notebook),
        "case": named_case(file.content),
        "checked": not no_check and named_case(file.content) is not None,
        "dry_run": dry_run,
        "changed": {name: asdict(change) for name, change in changes.items()},
    }
    rows = [_change_row(name, change.before, change.after) for name, change in changes.items()]
    return Answer(table(rows) if rows else "nothing changes", data, hints=[DRY] * dry_run)


@nb_command.command("strip", short_help="Remove outputs, counts and widget state.")
@click.argument("notebooks", nargs=-1, required=True, type=PATH, metavar="NB | DIR ...")
@dry_run_option
def strip_command(notebooks: tuple[Path, ...], dry_run: bool) -> Answer:
    """Remove what running leaves behind: outputs, execution counts and times, widget state."""
    from tunebook.notebooks.stripping import stripped

    files = [NotebookFile.read(path) for path in _expanded(notebooks)]  # all, or none
    told, rows = [], []
    for file in files:
        content, gone = stripped(file.content)
        file.write(content, dry_run=dry_run)
        told.append({"notebook": str(file.path), "stripped": dict(gone)})
        rows.append((file.path, ", ".join(f"{n} {what}" for what, n in gone.items()) or "—"))
    data = {"dry_run": dry_run, "notebooks": told}
    return Answer(table(rows, ("notebook", "stripped")), data, hints=[DRY] * dry_run)


@nb_command.command("diff", short_help="Compare two notebooks, cell by cell.")
@click.argument("one", type=PATH, metavar="A")
@click.argument("other", type=PATH, metavar="B")
def diff_command(one: Path, other: Path) -> Answer:
    """Compare notebooks by the ids of their cells: source, tags, order, parameters; not outputs.

    The exit code is 0 where they are alike, and 7 where they differ.
    """
    from tunebook.notebooks.differing import differences

    found = differences(NotebookFile.read(one), NotebookFile.read(other))
    data = {
        "alike": not found,
        "cells": [asdict(cell) for cell in found.cells],
        "parameters": {name: asdict(change) for name, change in found.parameters.items()},
    }
    if not found:
        return Answer("the notebooks are alike", data)
    told = f"{len(found.cells)} cells and {len(found.parameters)} parameters differ"
    problem = Problem("notebook.different", str(other), f"a notebook like {one}", told, "see above")
    return Answer("\n".join(_diff_text(found)), data, NotIdenticalError(problem))


def _diff_text(found: Differences) -> Iterator[str]:
    if found.parameters:
        rows = [_change_row(name, c.before, c.after) for name, c in found.parameters.items()]
        yield table(rows, ("parameter", "before", "", "after")) + "\n"
    for cell in found.cells:
        yield from _cell_text(cell)


def _cell_text(cell: CellChange) -> Iterator[str]:
    yield " ".join([f"{cell.change} {cell.kind} {cell.id}", *cell.tags])
    yield from (f"  {line}" for line in cell.lines)


def _change_row(name: str, before: Any, after: Any) -> tuple[str, str, str, str]:
    return name, shorten(before, SHOWN), "→", shorten(after, SHOWN)


@nb_command.command("to-py", short_help="Write a notebook as a Python script.")
@click.argument("notebook", type=PATH, metavar="NB")
@click.argument("script", required=False, type=PATH, metavar="[PY]")
@force_option
@dry_run_option
def to_py_command(notebook: Path, script: Path | None, force: bool, dry_run: bool) -> Answer:
    """Write NB as a script with `# %%` between cells, beside it or to PY.

    Ids and tags of cells are in the script, so that `from-py` brings every edit back to its place.
    """
    from tunebook.notebooks.exchange import write_script

    file = NotebookFile.read(notebook)
    place = script or notebook.with_suffix(".py")
    changed = write_script(file, place, force=force, dry_run=dry_run)
    return _written(place, changed, dry_run, [f"tunebook nb from-py {place}"])


@nb_command.command("from-py", short_help="Put a script back into its notebook.")
@click.argument("script", type=PATH, metavar="PY")
@click.argument("notebook", required=False, type=PATH, metavar="[NB]")
@force_option
@dry_run_option
def from_py_command(script: Path, notebook: Path | None, force: bool, dry_run: bool) -> Answer:
    """Put PY back into the notebook beside it, or into NB; make that notebook if it isn't there.

    Cells that are the same keep their outputs. A notebook that somebody has changed since `to-py`
    is left alone, unless with --force.
    """
    from tunebook.notebooks.exchange import write_notebook

    # a folder has no name beside which a notebook could stand, and is no script anyway
    place = notebook or (script.with_suffix(".ipynb") if script.name else script)
    changed = write_notebook(script, place, force=force, dry_run=dry_run)
    return _written(place, changed, dry_run, [f"tunebook nb lint {place}"])


def _written(place: Path, changed: bool, dry_run: bool, hints: Sequence[str]) -> Answer:
    data = {"path": str(place), "changed": changed, "dry_run": dry_run, "next": [*hints]}
    done = "would be written" if dry_run else "written"
    text = f"{place} {done}" if changed else f"{place} is as it should be"
    return Answer(text, data, hints=[f"next: {hint}" for hint in hints])


def _expanded(paths: Sequence[Path]) -> list[Path]:
    """Returns the notebooks that are meant, those of a folder by name.

    Raises:
        ConfigError: A folder has none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.ipynb")) if path.is_dir() else [path]
        if not inside:
            problem = ("notebook.missing", str(path), "notebooks in the folder", "none")
            raise ConfigError(Problem(*problem, "name a notebook, or another folder"))
        found += inside
    return [*dict.fromkeys(found)]
