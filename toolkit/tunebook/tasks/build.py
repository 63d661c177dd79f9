"""Builds the classifier of a case: which form it has depends on the model's family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from tunebook.config import HeadConfig, TaskConfig
from tunebook.errors import ConfigError, Problem
from tunebook.forms import form_of
from tunebook.models.load import load_backbone, model_family
from tunebook.specs import FORM_FAMILIES, TASKS
from tunebook.tasks.label_words import LabelWordClassifier, label_words
from tunebook.tasks.text_classification import TextClassifier


def build_classifier(
    folder: Path,
    tokenizer: Any,
    classes: Sequence[str],
    config: HeadConfig,
    *,
    task: TaskConfig = TaskConfig(),  # noqa: B008 - frozen
    weights: bool = True,
    hidden_dropout: float | None = None,
    backbone: nn.Module | None = None,
) -> TextClassifier | LabelWordClassifier:
    """Returns a pretrained backbone with a new head, on the CPU.

    Args:
        folder: Folder that the gate has let through.
        tokenizer: The backbone's.
        classes: Class names, in the order of the logits.
        config: Form and settings of the head.
        task: What the outputs are about.
        weights: False to build the structure alone.
        hidden_dropout: Dropout of hidden states, None for what the model came with.
        backbone: One that is loaded already, for another head on it.

    Raises:
        ConfigError: The form doesn't suit the model's family.
    """
    form = head_form(config, model_family(folder), task.kind)
    # a mistake in the words is told before the weights are read
    words = label_words(tokenizer, classes, config.label_words) if form == "label_words" else []
    if backbone is None:
        backbone = load_backbone(folder, form, weights=weights, hidden_dropout=hidden_dropout)
    if form == "linear":
        return TextClassifier(backbone, form_of(task, classes).outputs, config)
    return LabelWordClassifier(backbone, words)


def head_form(config: HeadConfig, family: str, task: str = "text_classification") -> str:
    """Returns ``linear`` or ``label_words``.

    Raises:
        ConfigError: Label words are asked of a model that doesn't write, of a task whose targets
            are no single class, or with a probe.
    """
    legal = TASKS[task].forms
    if config.form == "auto":
        writes = family == "encoder_decoder" and config.init == "random"
        return "label_words" if writes and "label_words" in legal else "linear"
    if config.form not in legal:
        raise ConfigError(_no_single_class(task))
    if config.form == "label_words":
        if family not in FORM_FAMILIES["label_words"]:
            raise ConfigError(_no_writer(family))
        if config.init == "probe":
            raise ConfigError(_no_probe())
    return config.form


def _no_single_class(task: str) -> Problem:
    return Problem(
        "head.form",
        "head.form",
        f"`linear`, for {task}: a model that answers in words spreads one unit of probability over "
        "them, which suits a single class",
        "`label_words`",
        "set head.form=linear",
    )


def _no_writer(family: str) -> Problem:
    return Problem(
        "head.form",
        "head.form",
        "`linear`, which every model has; `label_words` needs an encoder-decoder",
        f"`label_words` with {'an encoder' if family == 'encoder' else 'a decoder'}",
        "set head.form=linear",
    )


def _no_probe() -> Problem:
    return Problem(
        "head.form",
        "head.init",
        "`random` with label words, which have no linear layer to start from a probe",
        "`probe`",
        "set head.init=random, or head.form=linear",
    )
