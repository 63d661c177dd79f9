"""Runs on this machine, each in processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import ExecutorPlugin, hookimpl


class LocalConfig(PluginConfig):
    """As many runs at once as cores and free memory allow, with cores shared out among them."""

    kind: Literal["local"] = "local"
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Runs at once; null for one a core, as far as the memory goes.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="CPU threads of each run; null shares the cores out evenly.",
    )
    memory_gb: float = Field(
        2.0, gt=0, le=4096, description="Memory that a run takes, for counting `workers`."
    )

    def slots_here(self) -> int:
        """Returns how many runs it carries out at once."""
        from tunebook_plugins.executors.local.impl import share_out

        return share_out(self).workers


@hookimpl
def tunebook_executors() -> Iterator[ExecutorPlugin]:
    yield ExecutorPlugin(
        "local",
        "On this machine, as many runs at once as cores and memory allow.",
        LocalConfig,
        "tunebook_plugins.executors.local.impl:LocalExecutor",
    )
