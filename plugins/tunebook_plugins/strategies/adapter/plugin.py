"""`adapter`: small bottleneck layers inside a frozen backbone (the adapters library)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl


class AdapterConfig(PluginConfig):
    """Learns bottleneck layers between frozen ones."""

    kind: Literal["adapter"] = "adapter"
    method: Literal["seq_bn", "double_seq_bn", "par_bn"] = Field(
        "seq_bn",
        description=(
            "seq_bn: after the feed-forward layer (Pfeiffer et al. 2020); double_seq_bn: after "
            "attention too (Houlsby et al. 2019); par_bn: beside it (He et al. 2021)."
        ),
    )
    reduction_factor: float = Field(
        16.0, gt=0, le=1024, description="Width of the layer over width of the bottleneck."
    )
    name: str = Field(
        "task", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of the adapter when exported."
    )


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "adapter",
        "Bottleneck adapters inside a frozen backbone.",
        AdapterConfig,
        "tunebook_plugins.strategies.adapter.impl:Adapter",
        requires=("adapters",),
        install='pip install "tunebook[adapters]"',
        training={
            "epochs": 10,
            "learning_rate": 1e-3,
            "head_learning_rate": 1e-3,
        },
        paper="Pfeiffer et al. 2020, arXiv:2005.00247",
    )
