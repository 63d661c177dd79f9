"""Which strategy goes with which task, model and head: a table made of the strategies' own tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tunebook.errors import ConfigError, Problem
from tunebook.host import PluginHost
from tunebook.specs import FORM_FAMILIES, TASKS, Tags

WORDS = {"encoder": "an encoder", "decoder": "a decoder", "encoder_decoder": "an encoder-decoder"}


@dataclass(frozen=True)
class Setting:
    """What a strategy is asked to work with.

    Attributes:
        family: ``encoder``, ``decoder`` or ``encoder_decoder``.
        form: Form of the head, ``linear`` or ``label_words``.
        architecture: transformers model type.
        task: Kind of the task.
        multitask: Whether several tasks share the model.
    """

    family: str
    form: str
    architecture: str
    task: str = "text_classification"
    multitask: bool = False


def legality(host: PluginHost, setting: Setting) -> Mapping[str, str]:
    """Returns, by strategy of `host`, why it isn't legal here; an empty text where it is."""
    return {
        name: objection(host.get("strategy", name).tags, setting) for name in host.names("strategy")
    }


def objection(tags: Tags, setting: Setting) -> str:
    """Returns why tags rule a setting out, in a few words; an empty text where they don't."""
    task, family, form = setting.task, setting.family, setting.form
    architecture = setting.architecture
    if task not in tags.tasks:
        return f"it is not for {task}"
    if form not in TASKS[task].forms:
        return f"{task} doesn't go with a head of the form {form}"
    if family not in FORM_FAMILIES[form]:
        return f"{form} needs {' or '.join(WORDS[name] for name in FORM_FAMILIES[form])}"
    if family not in tags.families:
        return f"it doesn't work on {WORDS[family]}"
    if form not in tags.forms:
        return f"it doesn't work with a head of the form {form}"
    if "*" not in tags.architectures and architecture not in tags.architectures:
        return f"it doesn't know the architecture {architecture}"
    if architecture in tags.unsuited:
        return f"it doesn't work on {architecture}, {tags.unsuited[architecture]}"
    if setting.multitask and not tags.multitask:
        return "it is for one task, and the case has several"
    return ""


def check_legal(host: PluginHost, strategy: str, setting: Setting) -> None:
    """Refuses a combination that cannot work, before anything is loaded.

    Raises:
        ConfigError: With the reason, and the strategies that are legal instead.
    """
    table = legality(host, setting)
    if table[strategy]:
        legal = ", ".join(name for name, why in table.items() if not why)
        raise ConfigError(
            Problem(
                "strategy.illegal",
                "strategy",
                f"a strategy for {setting.task} on `{setting.architecture}` with {_heads(setting)}",
                f"`{strategy}`: {table[strategy]}",
                f"use one of {legal}"
                + (", or set head.form=linear" if setting.form != "linear" else ""),
            )
        )


def _heads(setting: Setting) -> str:
    form = setting.form
    return f"{form} heads of several tasks" if setting.multitask else f"a {form} head"
