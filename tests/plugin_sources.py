"""Plugins in source, and distributions that hold them."""

from __future__ import annotations

from pathlib import Path

STRATEGY = """
from typing import Literal
from tunebook.config import PluginConfig
from tunebook.specs import StrategyPlugin, hookimpl

class {cls}Config(PluginConfig):
    kind: Literal["{name}"] = "{name}"

@hookimpl
def tunebook_strategies():
    yield StrategyPlugin("{name}", "From outside.", {cls}Config, f"{{__name__}}:{cls}")

class {cls}:
    def __init__(self, config):
        self.config = config
    def prepare(self, model, context):
        raise NotImplementedError
"""


def distribution(
    folder: Path, name: str, entries: dict[str, str], modules: dict[str, str], requires: str = ""
) -> None:
    """Lays an installed distribution into a folder of sys.path."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir(parents=True)
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n{needs}")
    lines = [f"{key} = {value}" for key, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[tunebook]", *lines]) + "\n")
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
