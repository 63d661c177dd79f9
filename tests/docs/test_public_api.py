"""The public surface changes on purpose or not at all."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from documented import ROOT
from pagemaker.public import PUBLIC
from pagemaker.python_api import STORED, public_object, signatures
from pagemaker.site import pages

OWN = {"tunebook.notebooks.supervision": {"ProcessTree"}, "tunebook.descendants": {"descendants"}}
"""What the bundled executors take beside public names: how to end a tree of processes."""


def test_the_surface_is_the_one_that_is_stored() -> None:
    """If the change is meant: `make public-api`, and a line in the changelog."""
    stored = STORED.read_text(encoding="utf-8").splitlines()
    assert len(stored) >= 500
    assert signatures().splitlines() == stored


def test_a_change_would_be_seen() -> None:
    lines = signatures().splitlines()
    (load_case,) = [line for line in lines if line.startswith("tunebook.load_case(")]
    assert "preset: str | None = None" in load_case
    assert load_case.endswith("-> CaseConfig")
    assert "tunebook.config.TrainingConfig.epochs: float = 3.0" in lines
    assert "tunebook.config.CaseConfig.data: SerializeAsAny[PluginConfig]" in lines
    assert "class tunebook.errors.DataError(TunebookError)" in lines
    assert "tunebook.LiveRun.wait(timeout: float | None = None) -> Run" in lines


def names() -> list[tuple[str, str]]:
    return [(module, name) for module, surface in PUBLIC.items() for name in surface.names]


def test_every_public_name_exists_and_is_documented() -> None:
    text = pages()["reference/python.md"].text + pages()["reference/python-for-plugins.md"].text
    assert len(names()) == len({*names()}) >= 145
    for module, name in names():
        assert public_object(module, name) is not None
        heading = f"### `{module}.{name}`\n"
        assert heading in text
        told = text.partition(heading)[2].partition("\n### ")[0]
        assert len(told.split()) > 4, f"{module}.{name} is said nothing of"


def test_what_public_functions_return_is_public_too() -> None:
    public = {name for _, name in names()}
    returned = re.findall(r"^tunebook\.\w+\(.*\) -> (\w+)$", signatures(), re.MULTILINE)
    assert len(returned) >= 12
    assert {*returned} <= public


@pytest.mark.parametrize("module", ["tunebook", "tunebook.testing", "tunebook.composition"])
def test_what_a_package_lists_is_public(module: str) -> None:
    assert {*PUBLIC[module].names} == {*importlib.import_module(module).__all__}


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Yields module and name of everything that a file imports from tunebook."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        module = node.module if isinstance(node, ast.ImportFrom) else None
        if module and module.split(".")[0] == "tunebook":
            yield from ((module, alias.name) for alias in node.names)


def test_bundled_plugins_and_templates_import_public_names_only() -> None:
    folders = (ROOT / "plugins", ROOT / "templates")
    files = [file for folder in folders for file in folder.rglob("*.py")]
    used = {pair for file in files if "{{" not in file.read_text() for pair in imported(file)}
    assert len(used) >= 40
    private = {
        f"{module}.{name}"
        for module, name in used
        if name not in OWN.get(module, set())
        and (module not in PUBLIC or name not in PUBLIC[module].names)
    }
    assert private == set()
