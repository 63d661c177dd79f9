"""The kernel provisioner `tunebook-warm`, which any Jupyter client uses through its kernelspec."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import IO, Any, get_args

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Enum, Float, Unicode

from tunebook.environment import KERNEL_VARIABLE
from tunebook.kernels.client import PATIENCE, fork_kernel
from tunebook.kernels.places import KernelChoice, NotWarm
from tunebook.kernels.process import WarmProcess
from tunebook.writing import write_atomically

FORKED = "it was forked from a server for this environment"
UNDERSTOOD = {"env", "cwd", "stdin", "stdout", "stderr", "independent"}
"""Options of a launch that a fork can follow."""


class WarmProvisioner(LocalProvisioner):
    """Takes a kernel from a server that has imported the libraries; else starts one as usual.

    The reason is logged, and told to the kernel, so that it gets into the records of its runs.
    """

    wanted = Enum(
        get_args(KernelChoice), "warm", help="auto: only where a server runs; cold: never."
    ).tag(config=True)
    patience = Float(PATIENCE, help="Seconds to wait for a server that warms up.").tag(config=True)
    process_file = Unicode(help="Where to write a warm kernel's process before it runs anything.")
    kind_file = Unicode(help="Where to write what kernel it is, and why.")

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launches a kernel, warm if possible."""
        try:
            return await self._launch_warm(cmd, kwargs)
        except NotWarm as reason:
            if self.wanted != "cold":
                self.log.info("The kernel starts cold: %s", reason)
            about = self._tell("cold", str(reason))
        env = {**kwargs.pop("env", os.environ), KERNEL_VARIABLE: about}
        return await super().launch_kernel(cmd, env=env, **kwargs)

    def _tell(self, kind: str, why: str) -> str:
        about = json.dumps({"kind": kind, "why": why})
        if self.kind_file:
            write_atomically(Path(self.kind_file), about)
        return about

    async def _launch_warm(self, cmd: list[str], options: dict[str, Any]) -> KernelConnectionInfo:
        if self.wanted == "cold":
            raise NotWarm("a cold one was asked for")
        if unknown := options.keys() - UNDERSTOOD:
            raise NotWarm(f"a fork cannot follow the option {', '.join(sorted(unknown))}")
        if options.get("independent"):
            raise NotWarm("a kernel that outlives its client was asked for")
        environment = {
            **options.get("env", os.environ),
            KERNEL_VARIABLE: self._tell("warm", FORKED),
            "JPY_PARENT_PID": str(os.getpid()),
        }
        folder = str(Path(options.get("cwd") or ".").absolute())
        process = await asyncio.to_thread(
            fork_kernel,
            cmd,
            environment,
            folder,
            (_file(options.get("stdout"), 1), _file(options.get("stderr"), 2)),
            start=self.wanted == "warm",
            patience=self.patience,
        )
        return self._own(process, folder)

    def _own(self, process: WarmProcess, folder: str) -> KernelConnectionInfo:
        if self.process_file:
            process.identity.write(Path(self.process_file))
        try:
            process.release()
        except OSError as error:
            raise NotWarm("the fork has ended before it was used") from error
        self.process = process  # type: ignore[assignment]
        self.pid = self.pgid = process.pid
        self.cwd = folder
        return self.connection_info


def _file(given: int | IO[Any] | None, default: int) -> int:
    if given is None:
        return default
    if isinstance(given, int) and given >= 0:
        return given
    if given == subprocess.DEVNULL or isinstance(given, int):
        raise NotWarm("its output is to go where a fork's cannot")
    return given.fileno()
