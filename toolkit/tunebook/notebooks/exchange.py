"""A notebook and its script on disk: neither overwrites what the other doesn't know of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunebook.errors import ConfigError, Problem, TunebookError
from tunebook.notebooks.files import NotebookFile
from tunebook.notebooks.parameters import read_text
from tunebook.notebooks.scripts import (
    fingerprint,
    from_script,
    made_from,
    now_made_from,
    to_script,
)
from tunebook.records import write_atomically


def write_script(notebook: NotebookFile, place: Path, *, force: bool, dry_run: bool) -> bool:
    """Writes a notebook as a script; returns whether the file changes.

    Raises:
        ConfigError: The notebook cannot be a script, or another script is there.
        MachineError: jupytext isn't installed, or the script cannot be written.
    """
    _check_apart(place, notebook.path)
    with _understood(notebook.path, "see what `tunebook nb lint` says of it"):
        script = to_script(notebook.path, notebook.content)
    there = read_text(place) if place.exists() else None
    if there == script:
        return False
    if there is not None and not force:
        found = "another script, perhaps with edits that the notebook doesn't have"
        fix = f"bring it back with `tunebook nb from-py {place}`, or give --force"
        raise ConfigError(Problem("notebook.script_differs", str(place), "no file", found, fix))
    if not dry_run:
        write_atomically(place.resolve(), script)
    return True


def write_notebook(script: Path, place: Path, *, force: bool, dry_run: bool) -> bool:
    """Writes a script into its notebook; returns whether the notebook changes.

    The script notes what it was written to, so that it can be edited and brought back again.

    Raises:
        ConfigError: There is no such script, it can't be read as one, or the notebook has changed
            since it was made.
        MachineError: jupytext isn't installed, or a file cannot be written.
    """
    text = read_text(script)
    _check_apart(script, place)
    old = NotebookFile.read(place) if place.exists() else None
    with _understood(script, 'mend what stands behind `# %%`, such as `tags=["parameters"]`'):
        new = from_script(text, old.content if old else None)
    if old and not force and new != old.content and made_from(text) != fingerprint(old.content):
        raise ConfigError(_changed_since(place, text))
    changed = (old or NotebookFile(place, "", {})).write(new, dry_run=dry_run)
    noted = now_made_from(text, new)
    its_own = old is not None or place == script.with_suffix(".ipynb")
    if its_own and noted != text and not dry_run:
        write_atomically(script.resolve(), noted)
    return changed


@contextmanager
def _understood(path: Path, fix: str) -> Iterator[None]:
    """Says where it was when jupytext and nbformat stumble: metadata of a wrong type, whoever wrote
    them, make them raise whatever comes."""
    try:
        yield
    except TunebookError:
        raise
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        problem = ("notebook.not_understood", str(path), "cells that jupytext knows how to read")
        raise ConfigError(Problem(*problem, found, fix)) from error


def _check_apart(script: Path, notebook: Path) -> None:
    if script.resolve() == notebook.resolve():
        found = "the same file for both"
        fix = "name a script that ends with .py, and a notebook that ends with .ipynb"
        problem = ("notebook.same_file", str(script), "a script and a notebook", found, fix)
        raise ConfigError(Problem(*problem))


def _changed_since(place: Path, script: str) -> Problem:
    found = "it has changed since" if made_from(script) else "the script isn't made from it"
    return Problem(
        "notebook.changed_since",
        str(place),
        "the notebook that the script was made from",
        found,
        "bring the script into another file and `tunebook nb diff` both, or give --force",
    )
