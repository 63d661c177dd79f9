"""A strategy in one file: BitFit, which trains nothing but biases and the head.

Copy it, change it, and use it without installing anything:

    tunebook run medical_coding -p strategy=my_bitfit --plugin my_strategy.py
"""

from typing import Literal

from pydantic import Field

from tunebook.config import PluginConfig
from tunebook.contracts import Prepared
from tunebook.specs import StrategyPlugin, hookimpl


class BitFitConfig(PluginConfig):
    """What a user may set; every field has a description and bounds."""

    kind: Literal["my_bitfit"] = "my_bitfit"
    train_head: bool = Field(True, description="Also train the task head.")


@hookimpl
def tunebook_strategies():
    """Describes the strategy without importing torch."""
    yield StrategyPlugin(
        "my_bitfit",
        "Train bias terms and the head only.",
        BitFitConfig,
        factory=f"{__name__}:BitFit",
        training={"epochs": 5, "learning_rate": 1e-3},
        paper="Ben Zaken et al. 2021, arXiv:2106.10199",
        when="With few labels, or when the structure of the model must stay as it was.",
        cost="Biases alone learn; a step still goes backward through every layer.",
    )


class BitFit:
    """Says what may learn. The training loop, saving and loading are tunebook's."""

    def __init__(self, config: BitFitConfig) -> None:
        self.config = config

    def prepare(self, model, context) -> Prepared:
        """Called for a training, and again when a saved model is loaded."""
        for name, parameter in model.named_parameters():
            is_head = self.config.train_head and context.is_head(name)
            parameter.requires_grad = is_head or name.endswith("bias")
        return Prepared(model, context.groups(model))
