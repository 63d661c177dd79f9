"""The inside of the process that runs a notebook: papermill and a kernel of this interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient.exceptions import DeadKernelError
from papermill import PapermillExecutionError
from papermill import execute_notebook as papermill_execute
from papermill.engines import NBClientEngine, papermill_engines
from traitlets import default

from tunebook.kernels.provisioner import WarmProvisioner
from tunebook.kernels.spec import NAME, kernel_spec

IOPUB_SECONDS = 120
"""How long outputs of a finished cell may still be under way."""
SPARING = "tunebook-sparing"
"""What `SparingEngine` is called in papermill."""


def run_job(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Executes a notebook and says in JSON types how it ended; never raises.

    Args:
        folder: Private folder, for the kernel's sockets.
        job: `notebook`, `output`, `parameters`, `start_timeout` and `kernel`, the config of its
            provisioner.
    """
    _register_provisioner()
    papermill_engines.register(SPARING, SparingEngine)
    try:
        papermill_execute(
            _without_format(job["notebook"]),
            _without_format(job["output"]),
            parameters=job["parameters"],
            engine_name=SPARING,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=job["start_timeout"],
            iopub_timeout=IOPUB_SECONDS,
            kernel_manager_class=_manager_in(folder, job["kernel"]),
        )
    except PapermillExecutionError as error:
        return {
            "kind": "raised",
            "error": error.ename,
            "detail": error.evalue[:2000],
            "cell": error.exec_count,
        }
    except DeadKernelError:
        return {"kind": "kernel_died"}
    except Exception as error:
        return {"kind": _kind(error), "error": type(error).__name__, "detail": str(error)[:2000]}
    return {"kind": "finished"}


class SparingEngine(NBClientEngine):  # type: ignore[misc]
    """Tells of cells of code alone, since papermill saves the notebook whenever a cell is told of.

    A cell of text does nothing that would have to be saved before and after it.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, *arguments: Any, **options: Any) -> Any:
        """Executes the cells."""
        for name in ("cell_start", "cell_complete"):
            setattr(nb_man, name, _of_code(getattr(nb_man, name)))
        return super().execute_managed_notebook(nb_man, *arguments, **options)


def _of_code(tell: Callable[..., object]) -> Callable[..., None]:
    def told(cell: Any, *arguments: Any, **options: Any) -> None:
        if cell.cell_type == "code":
            tell(cell, *arguments, **options)

    return told


def _kind(error: Exception) -> str:
    """nbclient's kernel client says both with a bare RuntimeError."""
    starting = ("Kernel didn't respond", "Kernel died before replying")
    return "kernel_start" if str(error).startswith(starting) else "crashed"


def _without_format(path: str) -> str:
    """Returns a path that survives papermill's `str.format`."""
    return path.replace("{", "{{").replace("}", "}}")


def _register_provisioner() -> None:
    """Doesn't depend on entry points, which an editable installation may have in an old state."""
    value = f"{WarmProvisioner.__module__}:{WarmProvisioner.__name__}"
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, value, factory.GROUP_NAME)


def _manager_in(folder: Path, kernel: Mapping[str, str]) -> type[AsyncKernelManager]:
    class PrivateKernelManager(AsyncKernelManager):
        """A kernel of this very interpreter, reached through sockets in a private folder.

        TCP ports would race between parallel runs, and a kernelspec `python3` found in the
        environment may belong to another Python.
        """

        @default("transport")
        def _default_transport(self) -> str:
            return "ipc"

        @default("connection_file")
        def _default_connection_file(self) -> str:
            return str(folder / "kernel.json")

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**kernel_spec(**kernel))

    return PrivateKernelManager
