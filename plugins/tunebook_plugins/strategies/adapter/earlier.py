"""Adapters that lie in a folder: of an earlier run, or written by the adapters library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from tunebook.contracts import StrategyContext
from tunebook.errors import ConfigError, Problem, shorten

CONFIG, WEIGHTS = "adapter_config.json", "adapter.safetensors"


@dataclass(frozen=True)
class EarlierAdapter:
    """A trained adapter.

    Attributes:
        name: What this run calls it.
        folder: Holds its config and its weights.
        model: The `model/` folder of its run, where it is of one.
    """

    name: str
    folder: Path
    model: Path | None = None

    @property
    def where(self) -> str:
        return f"strategy.adapters.{self.name}"

    def add_to(self, backbone: nn.Module, context: StrategyContext) -> None:
        """Adds it to a backbone.

        Raises:
            ConfigError: It is damaged, or was trained on another backbone.
        """
        about = self._read(self.folder / CONFIG)
        other = [*_other_backbone(about, backbone), *self._other_weights(context.weights)]
        if other:
            raise ConfigError(_not_its_backbone(self.where, other))
        try:
            backbone.load_adapter(str(self.folder), load_as=self.name, use_safetensors=True)
        except (RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
            raise ConfigError(_damaged(self.where, self.folder, error)) from error

    def _other_weights(self, weights: str | None) -> Iterator[str]:
        """Yields what its run says of the backbone's weights, where that is something else."""
        file = None if self.model is None else self.model / "tunebook.json"
        if file is None or not file.is_file():
            return
        run = self._read(file)
        if weights is not None and run["base"]["sha256"] != weights:
            yield f"weights {run['base']['sha256'][:16]}…, not {weights[:16]}…"
        if (run["case"].get("pretraining") or {"method": "adapter"})["method"] != "adapter":
            yield "weights that its run had pretrained further"

    def _read(self, file: Path) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(_damaged(self.where, file, error)) from error
        return content


def find_adapter(name: str, run: str, context: StrategyContext) -> EarlierAdapter:
    """Returns the adapter that `run` names: of several the one of this name, else the last one.

    Args:
        name: What this run calls it.
        run: A run, its `model/` folder, or a folder of the adapters library.
        context: Knows where runs lie.

    Raises:
        ConfigError: There is no such run, or no adapter in it.
    """
    given = Path(run).expanduser()
    is_run = not _is_folder(given) or (given / "record.json").is_file()
    model = _model_of(name, str(given), context) if is_run else given
    for folder in (model / "native" / name, model / "native", model):
        if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file():
            return EarlierAdapter(name, folder, model)
    raise ConfigError(_no_adapter(name, run, model))


def _model_of(name: str, run: str, context: StrategyContext) -> Path:
    try:
        return context.model_of(run)
    except ConfigError as error:
        where = f"strategy.adapters.{name}.run"
        told = (
            replace(each, where=where, found=f"{each.found} in {each.where}")
            for each in error.problems
        )
        raise ConfigError(*told) from error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name may be longer than a file system takes
        return False


def _other_backbone(about: dict[str, Any], backbone: nn.Module) -> Iterator[str]:
    config = backbone.config
    for key, words in (("model_type", "architecture"), ("hidden_size", "hidden size")):
        if about.get(key) != getattr(config, key):
            yield f"{words} {about.get(key)}, not {getattr(config, key)}"


def _not_its_backbone(where: str, other: list[str]) -> Problem:
    return Problem(
        "adapter.other_backbone",
        where,
        "an adapter that was trained on this run's pretrained model",
        f"one for {'; '.join(other)}",
        "train it again on this model, or choose the model it was trained on",
    )


def _no_adapter(name: str, run: str, model: Path) -> Problem:
    there = sorted(str(file.parent.relative_to(model)) for file in model.rglob(CONFIG))
    return Problem(
        "adapter.missing",
        f"strategy.adapters.{name}.run",
        f"a run that trained an adapter, with native/{CONFIG} and native/{WEIGHTS} in its model",
        f"none in {shorten(run)}",
        f"name one of the adapters in it, such as {model / there[0]}"
        if there
        else "choose a run of the strategy `adapter` that trained no fusion",
    )


def _damaged(where: str, place: Path, error: Exception) -> Problem:
    found = " ".join(str(error).split())[:200]
    fix = "copy the folder again, or train the adapter again"
    return Problem("adapter.damaged", where, f"a whole adapter in {place}", found, fix)
