"""Runs on the workers of a dask cluster, on one machine or many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import ExecutorPlugin, hookimpl


class DaskConfig(PluginConfig):
    """A cluster that is there, or one of this machine that lives as long as the batch.

    Workers of a cluster are started with ``dask worker ADDRESS --nthreads 1 --resources slot=1``,
    in the same environment as the batch; each `slot` is one run at a time.
    """

    kind: Literal["dask"] = "dask"
    address: str | None = Field(
        None,
        min_length=1,
        description="Scheduler, such as `tcp://head:8786`; null for a cluster of this machine.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Workers of a cluster of this machine; null for one a core.",
    )
    shared: bool = Field(
        True,
        description=(
            "Workers see the folder of the batch under the same path. If not, the files of a run "
            "are shipped to its worker and back."
        ),
    )
    retries: int = Field(
        0,
        ge=0,
        le=10,
        description=(
            "How often the engine carries out a run again, from its start, when its worker was "
            "lost. With 0 the batch is told, and goes on from the run's last checkpoint."
        ),
    )
    connect_seconds: float = Field(
        20, gt=0, le=3600, description="Time for a scheduler and its first worker to answer."
    )
    patience_seconds: float = Field(
        60,
        gt=0,
        le=24 * 3600,
        description=(
            "Silence after which a scheduler counts as lost; time that workers of this machine "
            "have to start."
        ),
    )


@hookimpl
def tunebook_executors() -> Iterator[ExecutorPlugin]:
    yield ExecutorPlugin(
        "dask",
        "On the workers of a dask cluster, of one machine or many.",
        DaskConfig,
        "tunebook_plugins.executors.dask.impl:DaskExecutor",
        requires=("distributed",),
        install='pip install "tunebook[dask]"',
    )
