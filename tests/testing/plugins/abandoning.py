"""An executor whose commands live on when the process that uses it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Literal

from pydantic import Field

from tunebook.attempts import Attempt, Ended
from tunebook.config import PluginConfig
from tunebook.specs import ExecutorPlugin, hookimpl


class AbandoningConfig(PluginConfig):
    kind: Literal["abandoning"] = "abandoning"
    workers: int = Field(2, ge=1, le=64, description="Commands at once.")


class Abandoning:
    def __init__(self, config: Any) -> None:
        self.slots, self.threads = config.workers, 1
        self.processes: dict[str, Any] = {}

    def start(self, attempt: Attempt) -> None:
        environment = {**os.environ, **attempt.environment}
        command = [sys.executable, *attempt.command]
        self.processes[attempt.key] = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def running(self) -> list[str]:
        return [*self.processes]

    def poll(self) -> list[Ended]:
        over = [key for key, process in self.processes.items() if process.poll() is not None]
        return [Ended(key, "exited", self.processes.pop(key).returncode) for key in over]

    def stop(self, key: str, *, kill: bool = False) -> None:  # noqa: ARG002
        process = self.processes.get(key)
        if process is not None:
            process.kill()

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@hookimpl
def tunebook_executors() -> Any:
    yield ExecutorPlugin("abandoning", "Here.", AbandoningConfig, f"{__name__}:Abandoning")
