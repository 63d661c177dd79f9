"""What the strategies on top of peft share: target tables and checks."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import peft
import torch
from peft.utils import TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as IA3_INNER
from peft.utils import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as IA3_ALL
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as LORA
from torch import nn
from transformers.pytorch_utils import Conv1D

from tunebook.contracts import GroupOf, Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook_plugins.native import MERGED

ATTENTION: Mapping[str, Sequence[str]] = {
    **{name: targets for name, targets in LORA.items() if not isinstance(targets, str)},
    "distilbert": ["q_lin", "v_lin"],
}
"""Ends of the names of query and value matrices: peft's table and some more."""

KEYS_VALUES_INNER: Mapping[str, Sequence[str]] = {
    "distilbert": ["k_lin", "v_lin", "lin2"],
    "electra": IA3_ALL["bert"],
    "xlm-roberta": IA3_ALL["roberta"],
    **IA3_ALL,
}
"""Ends of the names of key, value and inner feed-forward matrices: peft's table and some more."""

INNER: Mapping[str, Sequence[str]] = {
    "distilbert": ["lin2"],
    "electra": IA3_INNER["bert"],
    "xlm-roberta": IA3_INNER["roberta"],
    **IA3_INNER,
}
"""Those of `KEYS_VALUES_INNER` that are feed-forward ones."""


def wrap(
    model: nn.Module,
    config: peft.PeftConfig,
    context: StrategyContext,
    group_of: GroupOf | None = None,
    *,
    merge: bool = False,
) -> Prepared:
    """Puts peft around the backbone; its pretrained weights are frozen.

    With `merge` a plain model with what was learnt folded in is exported too, into ``merged``.
    """
    backbone = model.backbone = peft.get_peft_model(model.backbone, config)

    def export(folder: Path) -> None:
        backbone.save_pretrained(str(folder))
        if merge:
            copy.deepcopy(backbone).merge_and_unload().save_pretrained(str(folder / MERGED))

    return Prepared(model, context.groups(model, group_of), export=export)


def matrices(backbone: nn.Module) -> dict[str, nn.Module]:
    """Returns the layers that hold a matrix, by name."""
    return {
        name: module
        for name, module in backbone.named_modules()
        if getattr(module, "weight", None) is not None and module.weight.ndim == 2
    }


def linear(backbone: nn.Module) -> dict[str, nn.Module]:
    """Returns the linear layers, GPT-2's transposed ones included, by name."""
    return {n: m for n, m in matrices(backbone).items() if isinstance(m, nn.Linear | Conv1D)}


def layers_ending_with(
    layers: Mapping[str, nn.Module], targets: Iterable[str]
) -> dict[str, nn.Module]:
    """Returns the layers whose names are, or end with, one of `targets`, as peft reads them."""
    ends = tuple(f".{target}" for target in targets)
    return {name: layer for name, layer in layers.items() if f".{name}".endswith(ends)}


def is_transposed(layers: Mapping[str, nn.Module]) -> bool:
    """Whether the layers keep their matrices the other way round, as GPT-2's do."""
    return any(isinstance(layer, Conv1D) for layer in layers.values())


def default_targets(
    table: Mapping[str, Sequence[str]], context: StrategyContext, backbone: nn.Module, advice: str
) -> list[str]:
    """Returns the targets that `table` has for the architecture.

    Raises:
        ConfigError: It has none, or none that this model has; the problem lists what could be
            named.
    """
    layers = linear(backbone)
    if context.architecture in table:
        return check_targets(table[context.architecture], layers)
    raise ConfigError(
        Problem(
            "strategy.target",
            "strategy.targets",
            f"an architecture with default targets, such as {', '.join(sorted(table)[:8])}",
            f"`{context.architecture}`",
            f"{advice} some of: {', '.join(_ends(layers))}",
        )
    )


def check_targets(targets: Sequence[str], layers: Mapping[str, nn.Module]) -> list[str]:
    """Returns `targets` as a list.

    Raises:
        ConfigError: One of them is the end of no layer's name.
    """
    unknown = [target for target in targets if not layers_ending_with(layers, [target])]
    if unknown or not targets:
        ends = _ends(layers)
        raise ConfigError(
            *(
                Problem(
                    "strategy.target",
                    "strategy.targets",
                    "ends of module names of the backbone",
                    f"`{target}`" if target else "nothing",
                    did_you_mean(target, ends),
                )
                for target in unknown or [""]
            )
        )
    return list(targets)


def prompt_settings(backbone: nn.Module, tokens: int) -> dict[str, Any]:
    """Returns what peft asks of every prompt; by itself it doesn't read all architectures."""
    return {
        "task_type": peft.TaskType.FEATURE_EXTRACTION,
        "num_virtual_tokens": tokens,
        "num_layers": backbone.config.num_hidden_layers,
        "num_attention_heads": backbone.config.num_attention_heads,
    }


def check_prompt(tokens: int, context: StrategyContext, known: int = 0) -> None:
    """Raises ConfigError when a prompt leaves too little of the window for texts.

    Args:
        tokens: Its learnt vectors.
        context: What the strategy is told.
        known: Its words that stay as they are.
    """
    free = context.free_positions
    if free is not None and tokens + known > free:
        raise ConfigError(
            Problem(
                "strategy.prompt_too_long",
                "strategy.knowledge" if known else "strategy.tokens",
                f"at most {free}, which text.max_tokens leaves free in the model's window",
                f"{known} tokens, beside strategy.tokens={tokens}" if known else str(tokens),
                f"{'shorten' if known else 'lower'} it, or lower text.max_tokens by "
                f"{tokens + known - free}",
            )
        )


def check_input(backbone: nn.Module, argument: str, context: StrategyContext) -> None:
    """Raises ConfigError when the backbone cannot be given a prompt by way of `argument`."""
    takes_it = argument in inspect.signature(backbone.forward).parameters
    if not takes_it or (argument == "past_key_values" and backbone.config.is_encoder_decoder):
        raise ConfigError(
            Problem(
                "strategy.architecture",
                "strategy",
                f"an encoder or a decoder that takes `{argument}`",
                f"`{context.architecture}`",
                "use `prompt_tuning`, `lora`, or another strategy that suits it",
            )
        )


def draw_words(backbone: nn.Module, count: int) -> torch.Tensor:
    """Returns `count` token numbers of the vocabulary, drawn by torch's generator: shape (count,).

    The draw is made on the CPU, so that a seed means the same on every device.
    """
    return torch.randint(backbone.get_input_embeddings().num_embeddings, (count,))


def _ends(layers: Mapping[str, nn.Module]) -> list[str]:
    return sorted({name.split(".")[-1] for name in layers})
