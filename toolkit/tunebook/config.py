"""What a case is made of: frozen, closed pydantic models, saved exactly as they were validated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, field_serializer, model_validator

from tunebook.sections import (
    Bootstrap,
    CheckpointConfig,
    EarlyStopping,
    EvaluationConfig,
    PretrainingConfig,
    SamplingConfig,
    Section,
    TrainingConfig,
)
from tunebook.tables import html_table

__all__ = [
    "ALONE",
    "MEAN",
    "Bootstrap",
    "CaseConfig",
    "CheckpointConfig",
    "EarlyStopping",
    "EvaluationConfig",
    "Fractions",
    "GivenSplit",
    "GroupedSplit",
    "HeadConfig",
    "Limits",
    "PluginConfig",
    "PretrainingConfig",
    "SamplingConfig",
    "Section",
    "SplitConfig",
    "StratifiedSplit",
    "TaskConfig",
    "TaskName",
    "TaskSection",
    "TextConfig",
    "TrainingConfig",
    "lay_over",
]

ALONE = ""
"""Name of the only task of a single-task case, wherever tasks have names."""

MEAN = "mean_of_tasks"
"""Score that choices are made on where there are several tasks: the mean of their primary ones."""


class PluginConfig(Section):
    """What every plugin's config derives from; a subclass narrows `kind` to a `Literal`."""

    kind: str = Field(description="Name of the plugin.")

    @property
    def language_adapters(self) -> tuple[str, ...]:
        """Names of a strategy's parts that `pretraining` with `method: adapter` has to train."""
        return ()


class TaskConfig(Section):
    """Which columns hold what."""

    kind: Literal["text_classification", "multi_label", "regression"] = Field(
        "text_classification",
        description=(
            "What a target is. `text_classification`: one class, of two or more. `multi_label`: "
            "any number of classes, none included. `regression`: a number."
        ),
    )
    text: str = Field("text", min_length=1, description="Column that holds the text.")
    pair: str | None = Field(
        None,
        min_length=1,
        description="Column with a second text, such as a question to a passage; null for none.",
    )
    label: str = Field(
        "label", min_length=1, description="Column that holds the class, the classes or the number."
    )
    separator: str = Field(
        "|",
        min_length=1,
        description=(
            "What stands between classes in a cell of text (`multi_label`); an empty text is the "
            "empty set. A list needs none."
        ),
    )
    scaling: Literal["standard", "none"] = Field(
        "standard",
        description=(
            "`standard` learns numbers in units of the training split's mean and deviation "
            "(`regression`); predictions are in the unit of the data in either case."
        ),
    )
    id: str | None = Field(
        None, description="Column that identifies a row; row numbers when there is none."
    )
    min_examples_per_class: int = Field(
        3,
        ge=2,
        description="Classes with fewer examples are refused or dropped, see `rare_classes`.",
    )
    rare_classes: Literal["error", "drop"] = Field(
        "error", description="What to do with classes below `min_examples_per_class`."
    )


class Fractions(Section):
    """Shares of the three splits; they add up to one."""

    train: float = Field(0.70, gt=0, lt=1, description="Share that is trained on.")
    validation: float = Field(0.15, gt=0, lt=1, description="Share that choices are made on.")
    test: float = Field(0.15, gt=0, lt=1, description="Share that is only ever reported.")

    @model_validator(mode="after")
    def _sum_to_one(self) -> Fractions:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class GivenSplit(Section):
    """The data say themselves which row belongs where."""

    kind: Literal["given"] = "given"
    column: str = Field("split", description="Column with train, validation or test in each row.")
    validation: float | None = Field(
        None,
        gt=0,
        lt=1,
        description=(
            "Share of train that becomes validation, for data that mark none; null to refuse them."
        ),
    )
    seed: int = Field(0, ge=0, description="Seed of that share; not the seed of the training.")


class StratifiedSplit(Section):
    """Random rows, with the same class shares in every split."""

    kind: Literal["stratified"] = "stratified"
    fractions: Fractions = Field(Fractions(), description="Shares of the three splits.")
    seed: int = Field(0, ge=0, description="Seed of the split; not the seed of the training.")


class GroupedSplit(Section):
    """Whole groups, so that near-identical rows never stand on both sides."""

    kind: Literal["grouped"] = "grouped"
    group: str = Field("group", description="Column that names the group of a row.")
    balance: Literal["none", "labels"] = Field(
        "none",
        description=(
            "`none` cuts the shuffled list of groups; `labels` also keeps the class shares alike, "
            "for data whose rare classes would otherwise miss a split."
        ),
    )
    fractions: Fractions = Field(Fractions(), description="Shares of the three splits.")
    seed: int = Field(0, ge=0, description="Seed of the split; not the seed of the training.")


SplitConfig = Annotated[GivenSplit | StratifiedSplit | GroupedSplit, Field(discriminator="kind")]


class TextConfig(Section):
    """How a text becomes tokens."""

    max_tokens: int = Field(
        128, ge=8, le=8192, description="Longest input, special tokens included."
    )
    long_texts: Literal["truncate", "head_tail", "windows"] = Field(
        "truncate",
        description=(
            "Texts above `max_tokens`: keep the head; keep head and tail; or cut windows whose "
            "logits are averaged per document."
        ),
    )
    stride: int = Field(
        32, ge=0, description="Tokens that neighbouring windows share (`windows` only)."
    )
    max_windows: int | None = Field(
        8, ge=1, description="Most windows of one document, evenly spread; null for all of them."
    )


class HeadConfig(Section):
    """The part on top of the backbone that is new."""

    form: Literal["auto", "linear", "label_words"] = Field(
        "auto",
        description=(
            "`linear`: a linear layer over one vector a text. `label_words`: the likelihood of "
            "each class's words as the answer of an encoder-decoder. auto takes label words for "
            "encoder-decoders, unless `init` is `probe`."
        ),
    )
    label_words: dict[str, str] = Field(
        {}, description="Words by class name, for label words; a class is its own word otherwise."
    )
    pooling: Literal["auto", "mean", "cls", "last", "decoder"] = Field(
        "auto",
        description=(
            "How token states become one vector: their mean, the first or the last token, or what "
            "an encoder-decoder's decoder begins with. auto takes the last token for decoders "
            "and the mean otherwise."
        ),
    )
    normalise: bool = Field(
        True, description="Scale the vector to one length (√width) before the linear layer."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the linear layer.")
    init: Literal["random", "probe"] = Field(
        "random",
        description=(
            "`probe` starts from a logistic regression on the frozen features, so that early "
            "steps don't distort them (Kumar et al. 2022, arXiv:2202.10054)."
        ),
    )
    probe_c: float = Field(
        0.01, gt=0, description="Inverse regularisation strength of that logistic regression."
    )


class Limits(Section):
    """Upper bounds that make any case small, for tests and quick edits."""

    train_rows: int | None = Field(None, ge=2, description="Most rows that are trained on.")
    eval_rows: int | None = Field(None, ge=2, description="Most rows that are scored per split.")
    corpus_rows: int | None = Field(
        None, ge=2, description="Most texts of `corpus`, held-out ones included."
    )


TaskName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class TaskSection(Section):
    """One task of several on one backbone; what is left out, key by key, is the case's.

    Only what is measured is that of its own kind where a task is of another kind than the case.
    """

    data: SerializeAsAny[PluginConfig] | None = Field(
        None, description="Where the records come from."
    )
    task: TaskConfig = Field(TaskConfig(), description="Which columns hold what.")
    split: SplitConfig = Field(StratifiedSplit(), description="How rows are divided.")
    train_per_class: int | None = Field(
        None, ge=1, description="Training records drawn per class; null for all."
    )
    augmentation: tuple[SerializeAsAny[PluginConfig], ...] = Field(
        (), description="Augmenters, in order, applied to the training split only."
    )
    text: TextConfig = Field(TextConfig(), description="How a text becomes tokens.")
    head: HeadConfig = Field(HeadConfig(), description="The new part on top of the model.")
    metrics: tuple[SerializeAsAny[PluginConfig], ...] = Field(
        (), description="What is measured, in order."
    )
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="What is reported.")


class CaseConfig(Section):
    """A whole case: what is to be done, on which data, how, and how it is judged.

    `tunebook.schema.case_model` completes it with the plugins of a host, so that `data`, `model`,
    `strategy`, `augmentation` and `metrics` have the settings of the plugin that `kind` names. With
    `tasks`, what the case says about data, task, split and so on is what the tasks share.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="Name; also a folder name."
    )
    title: str = Field("", description="One line for people.")
    data: SerializeAsAny[PluginConfig] = Field(description="Where the records come from.")
    task: TaskConfig = Field(TaskConfig(), description="Which columns hold what.")
    tasks: dict[TaskName, TaskSection] = Field(
        {},
        description=(
            "Tasks on one backbone, each with a head of its own, by name; what a task leaves out, "
            "it takes from the case. Empty for a single task."
        ),
    )
    sampling: SamplingConfig = Field(
        SamplingConfig(), description="How often each task gets a batch."
    )
    split: SplitConfig = Field(StratifiedSplit(), description="How rows are divided.")
    train_per_class: int | None = Field(
        None,
        ge=1,
        description="Training records drawn per class, an annotation budget; null for all.",
    )
    limits: Limits = Field(Limits(), description="Upper bounds for quick runs.")
    augmentation: tuple[SerializeAsAny[PluginConfig], ...] = Field(
        (), description="Augmenters, in order, applied to the training split only."
    )
    text: TextConfig = Field(TextConfig(), description="How a text becomes tokens.")
    model: SerializeAsAny[PluginConfig] = Field(description="The pretrained model.")
    head: HeadConfig = Field(HeadConfig(), description="The new part on top of it.")
    corpus: SerializeAsAny[PluginConfig] | None = Field(
        None,
        description=(
            "Where the texts for `pretraining` come from; null for the training texts of the case. "
            "Texts that are in its validation or test split are left out."
        ),
    )
    pretraining: PretrainingConfig | None = Field(
        None,
        description="Pretraining on texts of the domain before the task stage; null for none.",
    )
    strategy: SerializeAsAny[PluginConfig] = Field(description="How the model is adapted.")
    training: TrainingConfig = Field(TrainingConfig(), description="The training stage.")
    checkpoints: CheckpointConfig = Field(
        CheckpointConfig(), description="What a killed run continues from."
    )
    metrics: tuple[SerializeAsAny[PluginConfig], ...] = Field(
        (), description="What is measured, in order; by default, what suits the task's kind."
    )
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="What is reported.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of everything but the split.")

    @field_serializer("tasks")
    def _what_tasks_say_themselves(self, tasks: dict[str, TaskSection]) -> dict[str, Any]:
        return {n: t.model_dump(mode="json", exclude_unset=True) for n, t in tasks.items()}

    def _repr_html_(self) -> str:
        """One row for each section, in JSON."""
        content = self.to_json_dict()
        told = {name: json.dumps(value, ensure_ascii=False) for name, value in content.items()}
        shown = {name: f"{t[:400]}…" if len(t) > 400 else t for name, t in told.items()}
        return html_table(shown.items())

    def by_task(self) -> dict[str, CaseConfig]:
        """Returns the case of each task by its name; a single-task case is its own, `ALONE`."""
        if not self.tasks:
            return {ALONE: self}
        content = self.to_json_dict()
        sections = content.pop("tasks")
        make = type(self).model_validate
        return {name: make(lay_over(content, section)) for name, section in sections.items()}

    def to_json_dict(self) -> dict[str, Any]:
        """Returns the case as JSON types; validating it again gives an equal case."""
        return self.model_dump(mode="json")

    def __eq__(self, other: object) -> bool:
        # each host closes the class anew; what counts is what is saved
        return isinstance(other, CaseConfig) and self.to_json_dict() == other.to_json_dict()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def updated(self, **changes: Any) -> CaseConfig:
        """Returns a validated copy; a change is a whole section or a plain value."""
        return type(self).model_validate({**self.to_json_dict(), **changes})


def lay_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `above` laid over `below`; a section of another `kind` replaces the one below.

    Only `task` has the same keys whatever its kind, so that the ones below stay.
    """
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        same_kind = (
            isinstance(under, Mapping)
            and isinstance(value, Mapping)
            and (key == "task" or value.get("kind", under.get("kind")) == under.get("kind"))
        )
        merged[key] = lay_over(under, value) if same_kind and isinstance(under, Mapping) else value
    return merged
