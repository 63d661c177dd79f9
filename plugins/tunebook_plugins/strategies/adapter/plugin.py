"""`adapter`: small parts inside a frozen backbone, alone or composed (the adapters library)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tunebook.composition import Block, CompositionError, Stack
from tunebook.config import PluginConfig, Section
from tunebook.specs import StrategyPlugin, Tags, hookimpl
from tunebook_plugins.strategies.adapter.legality import composition_problems, renamed
from tunebook_plugins.strategies.adapter.methods import (
    METHODS,
    OPTIONS,
    LanguageMethodName,
    MethodName,
    unknown_options,
)

AdapterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class OtherAdapter(Section):
    """An adapter that doesn't learn from the labels: of an earlier run, or a language's."""

    run: str | None = Field(
        None,
        min_length=1,
        description=(
            "The run that trained it: its id, its unambiguous beginning, or its folder; or a "
            "folder that the adapters library has written with safetensors. Of a run with several "
            "adapters it is the one of this name, else the one trained last. Null for an adapter "
            "that `pretraining` with `method: adapter` trains on texts before the task stage."
        ),
    )
    method: LanguageMethodName | None = Field(
        None, description="Of an adapter without `run`; null for seq_bn_inv."
    )
    reduction_factor: float | None = Field(
        None,
        gt=0,
        le=1024,
        description=(
            "Of an adapter without `run`: width of the layer over width of the bottleneck; null "
            "for 2, as in MAD-X (Pfeiffer et al. 2020, arXiv:2005.00052)."
        ),
    )

    @model_validator(mode="after")
    def _a_trained_one_is_as_it_is(self) -> OtherAdapter:
        if self.run is not None and (self.method or self.reduction_factor):
            raise ValueError("`method` and `reduction_factor` are known from the run: leave them")
        return self


class AdapterConfig(PluginConfig):
    """Learns small parts between or beside frozen layers, and how they are put together."""

    kind: Literal["adapter"] = "adapter"
    method: MethodName = Field(
        "seq_bn",
        description="; ".join(f"{name}: {method.summary}" for name, method in METHODS.items()),
    )
    name: AdapterName = Field("task", description="Name of the new adapter.")
    own: AdapterName | None = Field(
        None,
        description=(
            "Name that `composition` has for one more new adapter, of which each task of a "
            "multi-task case has its own, such as `own` in {stack: [task, own]}; null for none."
        ),
    )
    reduction_factor: float | None = Field(
        None,
        ge=0.1,
        le=1024,
        description=(
            "Width of the layer over width of the bottleneck; null for the method's own: 16, "
            "par_bn 2, compacter 32."
        ),
    )
    non_linearity: Literal["relu", "gelu", "swish", "tanh", "leakyrelu"] | None = Field(
        None, description="Activation inside the bottleneck; null for the method's own."
    )
    prefix_length: int | None = Field(
        None, ge=1, le=1024, description="Learnt keys and values in each layer; null for 30."
    )
    r: int | None = Field(
        None, ge=1, le=1024, description="Rank of the low-rank updates; null for 8."
    )
    alpha: int | None = Field(
        None, ge=1, le=4096, description="The updates are scaled by alpha / r; null for 8."
    )
    drop_layers: int = Field(
        0,
        ge=0,
        le=1000,
        description=(
            "The lowest layers, so many of them, carry nothing new, which saves their backward "
            "pass (AdapterDrop, Rücklé et al. 2021, arXiv:2010.11918)."
        ),
    )
    adapters: dict[AdapterName, OtherAdapter] = Field(
        {},
        description=(
            "Adapters of earlier runs, and at most one that `pretraining` trains, by the names "
            "that `composition` has for them."
        ),
    )
    composition: Block | None = Field(
        None,
        description=(
            "What is active, such as {stack: [language, task]}, where the last adapter is trained "
            "and the others stay frozen, or {fuse: [a, b]}, where only the fusion is trained (the "
            "paper takes a learning rate of 5e-5). `name` and `own` are new, others are of "
            "`adapters`. Null for the new adapter, and `own` after it where there is one."
        ),
    )

    @property
    def block(self) -> Block:
        """What is active."""
        return Stack(*self.new) if self.composition is None else self.composition

    def for_task(self, task: str) -> Block:
        """Returns what is active for a task: the block with that task's own adapter."""
        return renamed(self.block, {self.own: self.own_of(task)} if self.own and task else {})

    def own_of(self, task: str) -> str:
        """Returns the name of the adapter that a task has to itself."""
        return f"{self.own}_{task}"

    @property
    def new(self) -> tuple[str, ...]:
        """Names of what is made."""
        return (self.name,) if self.own is None else (self.name, self.own)

    merge: bool = Field(
        False,
        description=(
            "Write the backbone with its updates folded in as well, a plain transformers folder, "
            "into native/merged of the saved model (lora or ia3, uncomposed)."
        ),
    )

    @property
    def language_adapters(self) -> tuple[str, ...]:
        return tuple(name for name, given in self.adapters.items() if given.run is None)

    @model_validator(mode="after")
    def _method_knows_its_options(self) -> AdapterConfig:
        unknown = unknown_options(self.method, {name: getattr(self, name) for name in OPTIONS})
        if unknown:
            raise ValueError("; ".join(unknown))
        return self

    @model_validator(mode="after")
    def _what_is_merged_is_a_change_of_weights(self) -> AdapterConfig:
        merging = [f"`{name}`" for name, method in METHODS.items() if method.merges]
        if self.merge and not METHODS[self.method].merges:
            raise ValueError(
                f"`{self.method}` adds a computation of its own, which no change of the pretrained "
                f"weights equals: merge {' or '.join(merging)}, or leave `merge` out"
            )
        if self.merge and self.block.adapters != (self.name,):
            raise ValueError(
                f"`{self.block}` cannot be merged: merge a run with `{self.name}` alone, and build "
                "on the folder it writes"
            )
        return self

    @model_validator(mode="after")
    def _composition_is_legal(self) -> AdapterConfig:
        problems = composition_problems(
            self.block, self.new, [*self.adapters], self.language_adapters
        )
        if problems:
            raise CompositionError(*problems)
        return self


@hookimpl
def tunebook_strategies() -> Iterator[StrategyPlugin]:
    yield StrategyPlugin(
        "adapter",
        "Small parts inside a frozen backbone, alone or composed with those of earlier runs.",
        AdapterConfig,
        "tunebook_plugins.strategies.adapter.impl:Adapter",
        requires=("adapters",),
        install='pip install "tunebook[adapters]"',
        tags=Tags(pretraining=("full", "lora", "adapter")),
        training={
            "epochs": 10,
            "learning_rate": 1e-3,
            "head_learning_rate": 1e-3,
        },
        paper="Poth et al. 2023, arXiv:2311.11077",
        when=(
            "When many tasks or languages share one backbone, or adapters of earlier runs are to "
            "be combined."
        ),
        cost=(
            "A small share of the weights learns; the added parts make prediction a little slower."
        ),
    )
