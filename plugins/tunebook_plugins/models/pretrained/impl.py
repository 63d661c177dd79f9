"""Models in folders and on the hub."""

from __future__ import annotations

from pathlib import Path

from tunebook.contracts import ModelFiles
from tunebook_plugins.models.pretrained.plugin import HubModelConfig, LocalModelConfig


class LocalModel:
    """A folder."""

    def __init__(self, config: LocalModelConfig) -> None:
        self.config = config

    def files(self) -> ModelFiles:
        folder = Path(self.config.path).expanduser().resolve()
        return ModelFiles(str(folder), folder=folder, description=f"local folder {folder.name}")


class HubModel:
    """A repository."""

    def __init__(self, config: HubModelConfig) -> None:
        self.config = config

    def files(self) -> ModelFiles:
        name = self.config.name
        return ModelFiles(name, revision=self.config.revision, description=f"{name} from the hub")
