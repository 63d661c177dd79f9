"""A deliberately broken plugin for every check: by the check's id, what makes it."""

from __future__ import annotations

import functools
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import ConfigDict, Field
from pydantic_core import core_schema

import tiny
from testing import sound
from tunebook.config import PluginConfig
from tunebook.contracts import Card, MetricResult, ModelFiles, Prepared
from tunebook.host import PluginHost
from tunebook.specs import Tags, hookimpl
from tunebook.testing import Candidate, find_candidates

FILES = Path(__file__).parent / "plugins"
MASK_TOKEN = 4
"""Row of the word embeddings that no text of the kit uses."""

Make = Callable[[Path], Candidate]


def candidate(
    kind: str, folder: Path, factory: type | None = None, settings: Any = None, **changes: Any
) -> Candidate:
    """Returns the sound plugin of a kind with `changes` to its descriptor."""
    descriptor = sound.descriptors(folder)[kind]
    if factory is not None:
        changes["factory"] = f"{__name__}:{factory.__name__}"
    descriptor = replace(descriptor, **changes)
    host = PluginHost()
    host.add(descriptor)
    return Candidate(host, kind, descriptor, settings or {})


def but(kind: str, factory: type | None = None, **changes: Any) -> Make:
    return lambda folder: candidate(kind, folder, factory, **changes)


def in_file(name: str) -> Make:
    return lambda _: find_candidates(PluginHost(files=[FILES / f"{name}.py"]), name)[0]


def observing(**hooks: Any) -> Make:
    """Returns what makes an observer of functions, by the hook that each implements."""

    def make(_: Path) -> Candidate:
        host = PluginHost()
        host.register(
            SimpleNamespace(**{hook: hookimpl(each) for hook, each in hooks.items()}), "watching"
        )
        return find_candidates(host, "observer:watching")[0]

    return make


# any


class SetConfig(PluginConfig):
    kind: Literal["hits"] = "hits"
    wanted: frozenset[str] = Field(frozenset({"a"}), description="What describe cannot print.")


class LooseKindConfig(PluginConfig):
    kind: str = "hits"


def loose_kind(folder: Path) -> Candidate:
    made = candidate("metric", folder)  # the host refuses what this check looks for
    return Candidate(made.host, "metric", replace(made.descriptor, config=LooseKindConfig))


class SilentConfig(PluginConfig):
    kind: Literal["hits"] = "hits"
    level: bool = True


class UnboundedConfig(PluginConfig):
    kind: Literal["hits"] = "hits"
    levels: tuple[int, ...] | None = Field(None, description="Each can be anything.")


class OpenConfig(PluginConfig):
    model_config = ConfigDict(extra="allow")
    kind: Literal["hits"] = "hits"


class Wordless:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(str)


class SchemalessConfig(PluginConfig):
    kind: Literal["hits"] = "hits"
    ratio: Annotated[str, Wordless] = Field("1:2", description="JSON Schema has no word for it.")


class OutOfBoundsConfig(PluginConfig):
    kind: Literal["hits"] = "hits"
    level: int = Field(0, ge=1, description="Its default is below its bound.")


class DrawingHits(sound.Hits):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        random.random()


class NoFiles(sound.Plugin):
    pass


# strategies


class Restructured(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        import torch

        prepared = super().prepare(model, context)
        if context.training:
            model.extra = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
        return prepared


class LeftOut(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        prepared = super().prepare(model, context)
        for name, parameter in model.named_parameters():
            parameter.requires_grad |= name.endswith("LayerNorm.weight")
        return prepared


class Meddling(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        words = next(p for n, p in model.named_parameters() if context.is_embedding(n))
        return replace(super().prepare(model, context), callbacks=[after_steps(words, MASK_TOKEN)])


class Unsteady(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        bias = model.head.linear.bias
        return replace(super().prepare(model, context), callbacks=[after_steps(bias, 0)])


def after_steps(parameter: Any, row: int) -> Any:
    """Returns a callback that adds noise to a row of `parameter`, whatever the seed."""
    import torch
    from transformers import TrainerCallback

    class Noise(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            with torch.no_grad():
                parameter[row] += 0.1 + os.urandom(1)[0] / 255

    return Noise()


class Headless(sound.Biases):
    def trains(self, name: str, context: Any) -> bool:
        return not context.is_head(name) and name.endswith("bias")

    def prepare(self, model: Any, context: Any) -> Prepared:
        import torch

        with torch.no_grad():
            weight = model.head.linear.weight
            weight.copy_(torch.arange(weight.numel()).view_as(weight).sin())
        return super().prepare(model, context)


class FalseCache(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        return replace(super().prepare(model, context), cache_features=True)


class Unsaved(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        import torch

        noise = torch.randn(1)
        model.head.register_forward_hook(lambda _, __, logits: logits * noise)
        return super().prepare(model, context)


class Unmasked(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        model.pool = all_tokens
        return super().prepare(model, context)


def all_tokens(states: Any, mask: Any) -> Any:
    return states.mean(dim=1)


class Crashing(sound.Biases):
    def prepare(self, model: Any, context: Any) -> Prepared:
        {"bert": "encoder.layer"}[context.architecture]
        return super().prepare(model, context)


class Partial(sound.Biases):
    def trains(self, name: str, context: Any) -> bool:
        left_out = f"head.of_{context.tasks[-1]}." if context.tasks else "nothing"
        return super().trains(name, context) and not name.startswith(left_out)


# metrics


class Undefined(sound.Hits):
    def value(self, predictions: Any, rows: Any) -> float:
        flat = np.ptp(predictions.probabilities) == 0
        return float("nan") if flat else super().value(predictions, rows)


class Disagreeing(sound.Hits):
    def resample(self, predictions: Any, draws: Any) -> dict[str, Any]:
        return {"hits": super().resample(predictions, draws)["hits"] + 0.1}


class FirstDrawOnly(sound.Hits):
    def resample(self, predictions: Any, draws: Any) -> dict[str, Any]:
        return super().resample(predictions, draws[:1])


class Ordered(sound.Hits):
    def value(self, predictions: Any, rows: Any) -> float:
        hits = (predictions.targets == predictions.predicted)[rows]
        return float((hits * np.linspace(0, 1, len(hits))).mean())


class FirstClassOnly(sound.Hits):
    def compute(self, predictions: Any) -> MetricResult:
        by_class = {"hits": {predictions.classes[0]: 1.0}}
        return replace(super().compute(predictions), per_class=by_class)


class InPlace(sound.Hits):
    def value(self, predictions: Any, rows: Any) -> float:
        predictions.probabilities[:] /= 2
        return super().value(predictions, rows)


# augmenters


class Counting(sound.Shout):
    calls = 0

    def augment(self, text: str, _: Any) -> str | None:
        self.calls += 1
        return f"{text} {self.calls}"


class Drawing(sound.Shout):
    def augment(self, text: str, context: Any) -> str | None:
        random.random()
        return super().augment(text, context)


class Fragile(sound.Shout):
    def augment(self, text: str, _: Any) -> str | None:
        return text.split()[0].upper()


class Idle(sound.Shout):
    def augment(self, text: str, context: Any) -> str | None:
        return super().augment(text, context) if context.rng.random() < 0.5 else text


class Mute(sound.Shout):
    def augment(self, *_: Any) -> str | None:
        return None


# data sources


class Seeding(sound.Shelf):
    def rows(self) -> pd.DataFrame:
        np.random.seed(0)
        return super().rows()


class TwiceNamed(sound.Shelf):
    def rows(self) -> pd.DataFrame:
        return super().rows().set_axis(["text", "text", "label", "group"], axis=1)


class Unlicensed(sound.Shelf):
    card = Card("Shelf", "Rows made in code.", "", "by row")


class Unfolded(sound.Shelf):
    def synonyms(self) -> dict[str, list[str]]:
        return {"Heart": ["cardiac organ"]}


class Shuffled(sound.Shelf):
    def rows(self) -> pd.DataFrame:
        return super().rows().sample(frac=1, random_state=np.random.default_rng())


class PathConfig(PluginConfig):
    kind: Literal["shelf"] = "shelf"
    path: str = Field(description="File that is read.")


class Reading(sound.Shelf):
    def rows(self) -> pd.DataFrame:
        Path(self.config.path).read_bytes()
        return super().rows()


# models


class Changing(sound.Tiny):
    def files(self) -> ModelFiles:
        return replace(super().files(), description=os.urandom(8).hex())


class WrongHash(sound.Tiny):
    def files(self) -> ModelFiles:
        return replace(super().files(), sha256={"model.safetensors": "0" * 64})


@functools.cache
def bert(folder: Path) -> Path:
    return tiny.save_tiny_bert(folder / "bert")


def model_but(factory: type) -> Make:
    return lambda folder: candidate("model", folder, factory, {"path": str(bert(folder))})


def not_a_number(folder: Path) -> Candidate:
    from safetensors.torch import load_file, save_file

    place = shutil.copytree(bert(folder), folder / "nan")
    weights = load_file(place / "model.safetensors")
    weights = {name: tensor.fill_(float("nan")) for name, tensor in weights.items()}
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    return candidate("model", folder, settings={"path": str(place)})


# cases


def case_but(more: str) -> Make:
    def make(folder: Path) -> Candidate:
        made = candidate("case", folder)
        made.descriptor.file.write_text(sound.CASE + more)
        return made

    return make


BERT = ("bert",)
BROKEN: dict[str, Make] = {
    "any/enough-checks-can-be-made": but("strategy", tags=Tags(architectures=("longformer",))),
    "any/summary-is-one-line": but("metric", summary="Hits.\nAnd more."),
    "any/it-can-be-described": but("metric", config=SetConfig),
    "any/its-module-is-light": in_file("heavy"),
    "any/kind-is-the-name": loose_kind,
    "any/every-field-is-described": but("metric", config=SilentConfig),
    "any/every-number-has-a-bound": but("metric", config=UnboundedConfig),
    "any/config-is-frozen-and-closed": but("metric", config=OpenConfig),
    "any/config-has-a-json-schema": but("metric", config=SchemalessConfig),
    "any/requirements-say-what-to-install": but("metric", requires=("json",)),
    "any/config-survives-json": but("metric", config=OutOfBoundsConfig),
    "any/global-generators-are-left-alone": but("metric", DrawingHits),
    "any/factory-makes-what-the-kind-promises": but("model", NoFiles),
    "strategy/names-its-paper": but("strategy", paper="somewhere"),
    "strategy/says-when-and-at-what-cost": but("strategy", cost="Not\nmuch."),
    "strategy/training-defaults-are-valid": but("strategy", training={"epoch": 3}),
    "strategy/tags-are-known": but(
        "strategy", tags=Tags(tasks=("text_classification", "tagging"), architectures=BERT)
    ),
    "strategy/structure-is-the-same-each-time": but("strategy", Restructured),
    "strategy/groups-hold-what-is-trainable": but("strategy", LeftOut),
    "strategy/only-declared-parameters-change": but("strategy", Meddling),
    "strategy/head-learns": but("strategy", Headless),
    "strategy/cached-features-stay-true": but("strategy", FalseCache),
    "strategy/frozen-backbone-stays": but(
        "strategy", tags=Tags(architectures=BERT, frozen_backbone=True)
    ),
    "strategy/same-seed-gives-the-same-logits": but(
        "strategy", Unsteady, tags=Tags(architectures=BERT, multitask=False)
    ),
    "strategy/survives-saving": but("strategy", Unsaved),
    "strategy/survives-a-fresh-process": in_file("forgetful"),
    "strategy/padding-changes-nothing": but("strategy", Unmasked),
    "strategy/strange-architecture-is-no-crash": but("strategy", Crashing),
    "strategy/several-tasks-share-a-model": but("strategy", Partial),
    "metric/scores-are-those-declared": but("metric", scores=("hits", "misses")),
    "metric/scores-are-finite": but("metric", Undefined),
    "metric/identity-draw-gives-the-scores": but("metric", Disagreeing),
    "metric/every-draw-gets-a-value": but("metric", FirstDrawOnly),
    "metric/order-of-rows-does-not-matter": but("metric", Ordered),
    "metric/tables-fit-the-classes": but("metric", FirstClassOnly),
    "metric/predictions-are-left-as-they-were": but("metric", InPlace),
    "metric/tasks-are-known": but("metric", tasks=("text_classification", "tagging")),
    "augmenter/same-generator-gives-the-same-text": but("augmenter", Counting),
    "augmenter/only-the-given-generator-is-used": but("augmenter", Drawing),
    "augmenter/odd-texts-give-text-or-none": but("augmenter", Fragile),
    "augmenter/the-text-itself-is-never-returned": but("augmenter", Idle),
    "augmenter/ordinary-texts-give-new-ones": but("augmenter", Mute),
    "datasource/global-generators-are-not-drawn-from": but("datasource", Seeding),
    "datasource/rows-are-a-table": but("datasource", TwiceNamed),
    "datasource/card-is-filled": but("datasource", Unlicensed),
    "datasource/synonyms-can-be-looked-up": but("datasource", Unfolded),
    "datasource/it-loads-the-same-twice": but("datasource", Shuffled),
    "datasource/missing-file-is-told": but(
        "datasource", Reading, config=PathConfig, settings={"path": __file__}
    ),
    "model/files-are-named-alike-each-time": model_but(Changing),
    "model/files-pass-the-gate": model_but(WrongHash),
    "model/it-encodes-a-text": not_a_number,
    "case/settings-are-valid": case_but("training: {epochs: -1}\n"),
    "case/presets-are-valid": case_but("presets: {quick: {training: {epochs: -1}}}\n"),
    "case/notebook-passes-the-linter": but("case", notebook=Path("nowhere.ipynb")),
    "observer/watches-a-whole-run": observing(tunebook_evaluated=lambda report: report.nothing),
    "observer/changes-nothing": observing(tunebook_event=lambda event: torch.rand(len(event.type))),
    "observer/takes-the-end-of-a-run-that-failed": observing(
        tunebook_run_failed=lambda record: record.report.scores
    ),
}
