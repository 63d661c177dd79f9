"""The backbone with low-rank updates or factors folded in, as a plain model of transformers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from adapters.methods.lora import LoRALayer
from safetensors.torch import save_file
from torch import nn


def save_merged(backbone: nn.Module, folder: Path) -> None:
    """Writes the model that gives what `backbone` gives with the adapter that is active.

    Args:
        backbone: transformers model whose adapters change linear layers and nothing else.
        folder: Where to; it is made.
    """
    plain = next(
        kind for kind in type(backbone).__mro__ if kind.__module__.startswith(TRANSFORMERS)
    )
    config = copy.deepcopy(backbone.config)
    config.architectures = [plain.__name__]
    with torch.device("meta"):  # its names are all that is needed
        names = {*plain(config).state_dict()}
    state = backbone.state_dict() | dict(_changed_layers(backbone))
    config.save_pretrained(str(folder))
    weights = {name: tensor for name, tensor in state.items() if name in names}
    save_file(each_once(weights), str(folder / "model.safetensors"), metadata={"format": "pt"})


TRANSFORMERS = "transformers.models."


@torch.no_grad()
def _changed_layers(backbone: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields weight and bias of the layers that are changed, read off their answers.

    A linear layer is still one with such an adapter, whatever its method. The library's own
    function (1.3.0) forgets that factors apply to the bias too.
    """
    backbone.eval()
    for name, layer in backbone.named_modules():
        if not isinstance(layer, LoRALayer):
            continue
        inputs = layer.weight.shape[0 if layer.fan_in_fan_out else 1]
        unit = torch.eye(inputs, dtype=layer.weight.dtype, device=layer.weight.device)
        bias = layer(torch.zeros_like(unit)[None, :1])[0, 0]
        columns = layer(unit[None])[0] - bias
        yield f"{name}.weight", columns if layer.fan_in_fan_out else columns.T
        if layer.bias is not None:
            yield f"{name}.bias", bias


def each_once(weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Returns each tensor under the shortest of its names."""
    names: dict[int, str] = {}
    for name in sorted(weights, key=len):
        names.setdefault(weights[name].data_ptr(), name)
    return {name: weights[name].detach().cpu().contiguous() for name in names.values()}
