"""The adapters library's trainer, for a classifier whose backbone holds the adapters."""

from __future__ import annotations

from adapters import AdapterTrainer
from torch import nn


class BackboneAdapterTrainer(AdapterTrainer):
    """AdapterTrainer for a model whose backbone, not itself, holds the adapters.

    AdapterTrainer asks the model which adapters are active, and whether its weights are frozen.
    """

    train_adapter_fusion = False

    def __init__(self, model: nn.Module, *args: object, **kwargs: object) -> None:
        model.active_adapters = model.backbone.active_adapters
        vars(model)["base_model"] = model.backbone  # not as a second submodule
        super().__init__(model, *args, **kwargs)


class BackboneFusionTrainer(BackboneAdapterTrainer):
    """The same for a fusion, whose value matrices are held near the identity."""

    train_adapter_fusion = True
