"""A trained classifier on disk: what was trained, and what it was trained on top of.

`model/` of a run holds `tunebook.json`, `trained.safetensors`, `base/` (the backbone's config and
tokenizer) and, where the strategy offers it, `native/` in the format of its own library. A strategy
that took parts from earlier runs finds them there again. When most weights were trained all of them
are stored and the folder needs nothing else; otherwise the pretrained weights are found again
through the model plugin and checked by hash.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import nn

from tunebook.config import ALONE, CaseConfig
from tunebook.contracts import Prepared, RestorableStrategy, Strategy
from tunebook.data.tokens import encode
from tunebook.errors import ConfigError, DataError, Problem, did_you_mean
from tunebook.forms import UNSCALED, Scale, form_of
from tunebook.host import PluginHost
from tunebook.models.gate import check_configs
from tunebook.models.load import load_tokenizer, save_structure
from tunebook.models.quiet import quiet_libraries
from tunebook.models.resolve import ResolvedModel, resolve_model
from tunebook.records import RunDirectory, write_atomically
from tunebook.schema import CaseSchema
from tunebook.tasks.build import build_classifier
from tunebook.tasks.multi_task import MultiTaskClassifier
from tunebook.tasks.text_classification import load_trainable, trainable_state
from tunebook.training.context import Context
from tunebook.training.inputs import token_inputs
from tunebook.training.precision import Precision, device
from tunebook.training.predict import predict_logits

FORMAT = 1
COMPLETE_ABOVE = 0.5
"""Share of trained parameters above which all of them are stored."""


class Classifier:
    """A trained model that takes texts.

    Attributes:
        classes: Class names, in the order of the logits; empty for numbers.
        form: What the logits mean.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        case: CaseConfig,
        classes: Sequence[str],
        precision: Precision,
        scale: Scale = UNSCALED,
    ) -> None:
        self.model = model.to(device()).eval()
        self.tokenizer = tokenizer
        self.case = case
        self.classes = tuple(classes)
        self.form = form_of(case.task, classes, scale)
        self.precision = precision

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Returns logits of shape (len(texts), outputs), float32."""
        _check_texts(texts, "texts")
        _check_pairs(texts, pairs, self.case.task.pair)
        encoded = encode(self.tokenizer, list(texts), pairs, self.case.text)
        inputs = token_inputs(encoded, None, self.model, self.tokenizer)
        size = self.case.training.eval_batch_size
        return predict_logits(self.model, inputs, size, self.precision)

    def predict(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Returns what the model says of each text, or of each text beside its pair.

        `label`, `confidence` and all `probabilities` for one class a text; `labels`, `confidence`
        and `probabilities` for any number of them; `value` for a number.

        Args:
            texts: Any n texts.
            pairs: The n second texts, for a model that was trained on pairs.

        Raises:
            DataError: A text is empty or not a text, or second texts are missing or too many.
        """
        return self.form.answers(self.form.decode(self.logits(texts, pairs)))


def save_classifier(
    folder: Path,
    prepared: Prepared,
    tokenizer: Any,
    case: CaseConfig,
    classes: Sequence[str] | Mapping[str, Sequence[str]],
    base: ResolvedModel,
    precision: Precision,
    *,
    scale: Scale | Mapping[str, Scale] = UNSCALED,
    complete: bool = False,
) -> None:
    """Writes a trained classifier into `folder`, whole or not at all.

    `classes` and `scale` are by task where several share the model. All weights are stored when
    most were trained, or when `complete` says that others than the strategy's trainable ones have
    changed as well.
    """
    model = prepared.model
    trained = trainable_state(model)
    total = sum(parameter.numel() for parameter in model.parameters())
    most = sum(tensor.numel() for tensor in trained.values()) > COMPLETE_ABOVE * total
    complete = complete or most
    if complete:
        trained = {
            name: parameter.detach().cpu().contiguous()
            for name, parameter in model.named_parameters()
        }
    content = {
        "format": FORMAT,
        "classes": _listed(classes),
        "scale": _listed(scale),
        "complete": complete,
        "base": {"source": base.source, "sha256": base.sha256},
        "precision": precision.name,
        "case": case.to_json_dict(),
    }
    with _whole(folder) as place:
        save_structure(model.backbone, tokenizer, place / "base")
        save_file(trained, str(place / "trained.safetensors"), metadata={"format": "pt"})
        if prepared.export is not None:
            prepared.export(place / "native")
        write_atomically(place / "tunebook.json", json.dumps(content, indent=2, ensure_ascii=False))


def load_classifier(
    run: RunDirectory | Path | str, host: PluginHost | None = None, task: str = ALONE
) -> Classifier:
    """Returns the classifier of a run, or of a copied `model/` folder.

    Args:
        run: The folder of the run, or of the model.
        host: Plugins; all installed ones when None.
        task: Which task, if the run trained several.

    Raises:
        ConfigError: There is no trained model or no such task, or the pretrained weights have
            changed.
        MachineError: A package that the model needs isn't installed.
    """
    folder = run.model if isinstance(run, RunDirectory) else _model_folder(Path(run))
    _check_task(folder, task, _by_task(_read(folder)["classes"]))
    return load_classifiers(folder, host)[task]


def load_classifiers(
    run: RunDirectory | Path | str, host: PluginHost | None = None
) -> dict[str, Classifier]:
    """Returns the classifier of every task of a run; of a single-task run that of `ALONE`.

    They share one backbone in memory.

    Raises:
        ConfigError: As `load_classifier`.
        MachineError: As `load_classifier`.
    """
    folder = run.model if isinstance(run, RunDirectory) else _model_folder(Path(run))
    content = _read(folder)
    unsafe = [*check_configs(folder / "base")]
    if unsafe:  # the folder may have come from somebody else
        raise ConfigError(*unsafe)
    host = host or PluginHost()
    case = CaseSchema(host).validate(content["case"])
    source = _base_folder(folder, content, case, host)
    tokenizer = load_tokenizer(folder / "base")
    classes, cases = _by_task(content["classes"]), case.by_task()
    models: dict[str, Any] = {}
    for name, own in cases.items():
        models[name] = build_classifier(
            source,
            tokenizer,
            classes[name],
            own.head,
            task=own.task,
            weights=not content["complete"],
            backbone=next((model.backbone for model in models.values()), None),
        )
    model = MultiTaskClassifier(models) if case.tasks else models[ALONE]
    encode = partial(tokenizer.encode, add_special_tokens=False, verbose=False)
    context = Context.of(model, case.training, training=False, encode=encode)
    prepared = _rebuild(host.create("strategy", case.strategy), model, context, folder / "native")
    _load_weights(prepared.model, folder)
    if case.tasks:
        model.activate = prepared.activate
    else:
        models[ALONE] = prepared.model
    precision = Precision(content["precision"], "what the model was trained in")
    scales = _by_task(content.get("scale", UNSCALED))
    return {
        name: Classifier(
            models[name], tokenizer, own, classes[name], precision, Scale(*scales[name])
        )
        for name, own in cases.items()
    }


def _listed(given: Sequence[Any] | Mapping[str, Sequence[Any]]) -> Any:
    """Returns `given`, which may be by task, with lists in JSON types."""
    if isinstance(given, Mapping):
        return {name: list(each) for name, each in given.items()}
    return list(given)


def _by_task(listed: Any) -> dict[str, Any]:
    """Returns by task what `_listed` has made."""
    return dict(listed) if isinstance(listed, Mapping) else {ALONE: listed}


def _check_task(folder: Path, task: str, classes: Mapping[str, Any]) -> None:
    if task not in classes:
        names = [name for name in classes if name != ALONE]
        raise ConfigError(
            Problem(
                "model.task",
                str(folder),
                "the name of one of its tasks" if names else "no task: it has been trained on one",
                f"`{task}`" if task else "none",
                did_you_mean(task, names) if names else "leave it out",
            )
        )


@quiet_libraries()
def _rebuild(strategy: Strategy, model: nn.Module, context: Context, export: Path) -> Prepared:
    if isinstance(strategy, RestorableStrategy):
        return strategy.restore(model, context, export)
    return strategy.prepare(model, context)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yields a neighbour of `folder` that takes its place when the block has come to its end."""
    temporary = folder.with_name(f".{folder.name}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # a killed process leaves it behind
        temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _model_folder(path: Path) -> Path:
    return path / "model" if (path / "model" / "tunebook.json").is_file() else path


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "tunebook.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            Problem(
                "model.not_trained",
                str(path),
                "the trained model of a run that succeeded",
                str(error),
                "choose a run that `tunebook runs` lists as succeeded",
            )
        ) from error
    if content.get("format", 0) > FORMAT:
        raise ConfigError(
            Problem(
                "model.newer",
                str(path),
                f"format {FORMAT}",
                str(content["format"]),
                "update tunebook to load this model",
            )
        )
    return content


def _base_folder(folder: Path, content: dict[str, Any], case: CaseConfig, host: PluginHost) -> Path:
    if content["complete"]:
        return folder / "base"
    base = resolve_model(host.create("model", case.model).files(), host.names("model"))
    if base.sha256 != content["base"]["sha256"]:
        raise ConfigError(
            Problem(
                "model.base_changed",
                str(base.folder),
                f"the weights it was trained on, {content['base']['sha256'][:16]}…",
                f"{base.sha256[:16]}…",
                f"put back the weights of {content['base']['source']}",
            )
        )
    return base.folder


def _load_weights(model: nn.Module, folder: Path) -> None:
    path = folder / "trained.safetensors"
    try:
        load_trainable(model, load_file(str(path)))
    except Exception as error:
        raise ConfigError(
            Problem(
                "model.damaged",
                str(path),
                "the weights that training wrote",
                " ".join(str(error).split())[:200],
                "train again, or copy the folder again",
            )
        ) from error


def _check_texts(texts: Sequence[str], where: str) -> None:
    if isinstance(texts, str):
        raise DataError(
            Problem(f"predict.{where}", where, "a list of texts", "one text", "write [text]")
        )
    wrong = [n for n, t in enumerate(texts) if not isinstance(t, str) or not t.strip()]
    if wrong or not len(texts):
        raise DataError(
            Problem(
                "predict.empty",
                where,
                "texts with something in them",
                f"nothing at {wrong[:5]}" if wrong else "no texts",
                "leave empty texts out",
            )
        )


def _check_pairs(texts: Sequence[str], pairs: Sequence[str] | None, column: str | None) -> None:
    """Raises DataError unless there is a second text for each text, or none where none belongs."""
    if pairs is not None and column is not None:
        _check_texts(pairs, "pairs")
    found = 0 if pairs is None else len(pairs)
    wanted = 0 if column is None else len(texts)
    if found != wanted:
        expected = f"{wanted} second texts (`{column}`)" if column else "texts that stand alone"
        raise DataError(
            Problem(
                "predict.pairs",
                "pairs",
                expected,
                f"{found} second texts",
                "give one for each text" if column else "leave them out",
            )
        )
