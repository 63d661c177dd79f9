"""The methods of the `adapter` strategy, and which of its options each knows. Light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MethodName = Literal[
    "seq_bn",
    "double_seq_bn",
    "par_bn",
    "seq_bn_inv",
    "double_seq_bn_inv",
    "compacter",
    "prefix_tuning",
    "lora",
    "ia3",
]

LanguageMethodName = Literal["seq_bn", "double_seq_bn", "par_bn", "seq_bn_inv", "double_seq_bn_inv"]
"""Methods of a language adapter, which another one is stacked on."""


@dataclass(frozen=True)
class Method:
    """A way to add parameters to a frozen backbone.

    Attributes:
        config: Name of its config class in the adapters library.
        summary: What it does, and who proposed it.
        options: Fields of the strategy's config that it knows, which have the same names there.
        merges: Whether what it learns can be folded into the pretrained weights.
    """

    config: str
    summary: str
    options: tuple[str, ...]
    merges: bool = False


BOTTLENECK = ("reduction_factor", "non_linearity")
METHODS: Mapping[MethodName, Method] = {
    "seq_bn": Method(
        "SeqBnConfig", "after the feed-forward layer (Pfeiffer et al. 2021)", BOTTLENECK
    ),
    "double_seq_bn": Method(
        "DoubleSeqBnConfig", "after attention too (Houlsby et al. 2019)", BOTTLENECK
    ),
    "par_bn": Method("ParBnConfig", "beside the feed-forward layer (He et al. 2022)", BOTTLENECK),
    "seq_bn_inv": Method(
        "SeqBnInvConfig",
        "seq_bn with an invertible part at the embeddings, for languages (Pfeiffer et al. 2020)",
        BOTTLENECK,
    ),
    "double_seq_bn_inv": Method(
        "DoubleSeqBnInvConfig", "double_seq_bn with such a part", BOTTLENECK
    ),
    "compacter": Method(
        "CompacterConfig", "double_seq_bn of Kronecker products (Mahabadi et al. 2021)", BOTTLENECK
    ),
    "prefix_tuning": Method(
        "PrefixTuningConfig", "learnt keys and values (Li and Liang 2021)", ("prefix_length",)
    ),
    "lora": Method("LoRAConfig", "low-rank updates (Hu et al. 2021)", ("r", "alpha"), True),
    "ia3": Method("IA3Config", "learnt factors (Liu et al. 2022)", (), True),
}
"""By what a user writes, which is also the library's own name of the method."""

OPTIONS = tuple(dict.fromkeys(name for method in METHODS.values() for name in method.options))


def unknown_options(method: MethodName, given: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each option in `given` that is set and that `method` doesn't know."""
    return [
        f"`{method}` has no {name}, which is an option of {', '.join(_that_know(name))}"
        for name in OPTIONS
        if given[name] is not None and name not in METHODS[method].options
    ]


def _that_know(option: str) -> list[str]:
    return [name for name, method in METHODS.items() if option in method.options]
