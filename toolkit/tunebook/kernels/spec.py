"""The kernelspec `tunebook-warm`, which makes warm kernels a choice in JupyterLab and papermill."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from tunebook.errors import MachineError
from tunebook.writing import write_atomically, write_problem

NAME = "tunebook-warm"
"""Of the kernelspec and of the provisioner."""


def kernel_spec(**config: Any) -> dict[str, Any]:
    """Returns what `kernel.json` says, with a config for the provisioner."""
    return {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (tunebook, warm)",
        "language": "python",
        "metadata": {
            "debugger": True,
            "kernel_provisioner": {"provisioner_name": NAME, "config": config},
        },
    }


def install(*, user: bool = False, prefix: Path | None = None) -> Path:
    """Writes the kernelspec for this interpreter; again does no harm. Returns its folder.

    Args:
        user: For the user, whatever environment Jupyter runs in.
        prefix: Below this folder; the environment of this interpreter where neither is given.

    Raises:
        MachineError: It cannot be written.
    """
    folder = place(user=user, prefix=prefix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(write_problem(folder, error)) from error
    write_atomically(folder / "kernel.json", json.dumps(kernel_spec(), indent=1) + "\n")
    return folder


def place(*, user: bool = False, prefix: Path | None = None) -> Path:
    """Returns the folder that `install` writes to."""
    return _kernels_folder(user, prefix) / NAME


def uninstall() -> list[Path]:
    """Removes the kernelspec wherever Jupyter would find it; returns where it was.

    Raises:
        MachineError: It cannot be removed.
    """
    found = installed()
    for folder in found:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise MachineError(write_problem(folder, error)) from error
    return found


def installed() -> list[Path]:
    """Returns the folders of the kernelspec that Jupyter would look into."""
    from jupyter_core.paths import jupyter_path

    folders = (Path(path) / NAME for path in jupyter_path("kernels"))
    return [folder for folder in folders if (folder / "kernel.json").is_file()]


def _kernels_folder(user: bool, prefix: Path | None) -> Path:
    from jupyter_core.paths import jupyter_data_dir

    if user:
        return Path(jupyter_data_dir()) / "kernels"
    return (prefix or Path(sys.prefix)) / "share" / "jupyter" / "kernels"
