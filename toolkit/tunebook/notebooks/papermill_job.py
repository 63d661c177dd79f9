"""The inside of the process that runs a notebook: papermill and a kernel of this interpreter."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient.exceptions import DeadKernelError
from papermill import PapermillExecutionError
from papermill import execute_notebook as papermill_execute
from traitlets import default

from tunebook.kernels.provisioner import WarmProvisioner
from tunebook.kernels.spec import NAME, kernel_spec
from tunebook.notebooks.supervision import KERNEL_KIND, KERNEL_PROCESS

IOPUB_SECONDS = 120
"""How long outputs of a finished cell may still be under way."""


def run_job(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Executes a notebook and says in JSON types how it ended; never raises.

    Args:
        folder: Private folder, for the kernel's sockets.
        job: `notebook`, `output`, `parameters`, `start_timeout` and `kernel`.
    """
    _register_provisioner()
    try:
        papermill_execute(
            _without_format(job["notebook"]),
            _without_format(job["output"]),
            parameters=job["parameters"],
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


def _manager_in(folder: Path, kernel: str) -> type[AsyncKernelManager]:
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
            return KernelSpec(
                **kernel_spec(
                    wanted=kernel,
                    process_file=str(folder / KERNEL_PROCESS),
                    kind_file=str(folder / KERNEL_KIND),
                )
            )

    return PrivateKernelManager
