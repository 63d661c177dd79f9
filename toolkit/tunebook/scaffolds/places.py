"""Where the templates lie: in the source tree, or where the wheel has put them."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from tunebook.errors import MachineError, Problem, did_you_mean

SETTINGS = "copier.yml"


def template_folder(name: str) -> Path:
    """Returns the folder of a template, such as ``plugin``.

    Raises:
        MachineError: There is no such template.
    """
    names = template_names()
    if name not in names:
        expected, found = "a template of tunebook", f"no `{name}` in {_templates()}"
        fix = did_you_mean(name, names) if names else "install tunebook again"
        raise MachineError(Problem("template.missing", name, expected, found, fix))
    return _templates() / name


def template_names() -> list[str]:
    """Returns the names of all templates."""
    return sorted(file.parent.name for file in _templates().glob(f"*/{SETTINGS}"))


def _templates() -> Path:
    source_tree = Path(__file__).parents[3] / "templates"
    if (source_tree / "plugin" / SETTINGS).is_file():
        return source_tree
    return Path(sysconfig.get_path("data")) / "share" / "tunebook" / "templates"
