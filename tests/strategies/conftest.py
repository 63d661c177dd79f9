from __future__ import annotations

from pathlib import Path

import pytest

import peft_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of untrained models by architecture."""
    return peft_models.save_models(tmp_path_factory.mktemp("models"))
