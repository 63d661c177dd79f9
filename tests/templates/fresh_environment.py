"""A fresh environment that needs no network: its own packages, before those of this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

MODULES = {"tunebook": "tunebook.cli", "pytest": "pytest", "pip": "pip"}
"""By command, its module: the scripts on this machine belong to another interpreter."""


class FreshEnvironment:
    """A virtual environment in which a stranger would begin, tunebook being installed.

    Args:
        folder: Where it is made.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(command, check=True)
        self._python = folder / "bin" / "python"
        paths = {"base": str(folder), "platbase": str(folder)}
        own = Path(sysconfig.get_path("purelib", "venv", paths))
        outer = sysconfig.get_path("purelib")
        (own / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")

    def install(self, what: Path) -> None:
        """Installs a wheel, or a project for its author, with what is here already."""
        offline = ("--no-deps", "--no-index", "--no-build-isolation")
        target = ("-e", str(what)) if what.is_dir() else (str(what),)
        self.run("pip", "install", "-q", *offline, *target, cwd=what.parent)

    def run(self, *command: str, cwd: Path, exit_code: int = 0) -> str:
        """Runs a command, `tunebook` and `pytest` among them; returns its standard output."""
        program, *arguments = command
        called = (
            [str(self._python), "-m", MODULES[program], *arguments]
            if program in MODULES
            else [_script(program), *arguments]
        )
        quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
        environment = {**os.environ, **quiet, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            called, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == exit_code, (
            f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout

    def answer(self, *command: str, cwd: Path) -> dict[str, Any]:
        """Runs a command with --json; returns the object that it answers."""
        content: dict[str, Any] = json.loads(self.run(*command, "--json", cwd=cwd))
        return content


def _script(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found is not None, f"{name} comes with the extra `dev`"
    return found
