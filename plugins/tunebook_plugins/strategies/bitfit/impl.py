"""BitFit: biases and the head learn, matrices don't."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from tunebook.contracts import Prepared, StrategyContext
from tunebook.errors import ConfigError, Problem
from tunebook_plugins.strategies.bitfit.plugin import BitFitConfig


class BitFit:
    """Freezes everything but biases and the head; the structure stays as it is."""

    def __init__(self, config: BitFitConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, context: StrategyContext) -> Prepared:
        biases = self._biases(model.backbone, context)
        for name, parameter in model.named_parameters():
            parameter.requires_grad = context.is_head(name) or name in biases
        return Prepared(model, context.groups(model))

    def _biases(self, backbone: nn.Module, context: StrategyContext) -> set[str]:
        wanted = TARGETS[self.config.targets]
        biases = {
            f"backbone.{name}.bias"
            for name, module in backbone.named_modules()
            if isinstance(getattr(module, "bias", None), nn.Parameter) and wanted(name, module)
        }
        if not biases:
            raise ConfigError(
                Problem(
                    "strategy.architecture",
                    "strategy",
                    f"a backbone with biases ({self.config.targets})",
                    f"`{context.architecture}`, which has none",
                    "use `ia3`, which trains as few parameters",
                )
            )
        return biases


def _is_linear(module: nn.Module) -> bool:
    return getattr(module, "weight", None) is not None and module.weight.ndim == 2


def _in_attention(name: str) -> bool:
    """Whether a layer is a part of attention: ``attention``, ``attn``, ``self_attn``, …"""
    return any("att" in part.casefold() for part in name.split("."))


TARGETS: Mapping[str, Callable[[str, nn.Module], bool]] = {
    "all": lambda *_: True,
    "attention": lambda name, module: _is_linear(module) and _in_attention(name),
    "feed_forward": lambda name, module: _is_linear(module) and not _in_attention(name),
}
"""By `BitFitConfig.targets`, whether the bias of a module is trained."""
