"""What a case is made of: frozen, closed pydantic models, saved exactly as they were validated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator


class Section(BaseModel):
    """A part of a case: immutable, and closed to keys it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class PretrainingConfig(Section):
    """More pretraining on texts of the domain, before the task stage: it needs no labels."""

    objective: Literal["auto", "mlm", "clm", "span_corruption", "nsp"] = Field(
        "auto",
        description=(
            "What is learnt from texts: `mlm` masked words (Devlin et al. 2019, arXiv:1810.04805), "
            "`clm` the next token, `span_corruption` cut-out spans (Raffel et al. 2020, "
            "arXiv:1910.10683), `nsp` whether a sentence follows another (Devlin et al. 2019). "
            "auto takes mlm, clm or span_corruption, by the model's family."
        ),
    )
    text: str | None = Field(
        None, min_length=1, description="Text column of `corpus`; null for task.text."
    )
    held_out: float = Field(
        0.1,
        gt=0,
        le=0.5,
        description=(
            "Share of `corpus` that is only measured on; without a corpus the texts of the "
            "validation split are."
        ),
    )
    measured_texts: int = Field(
        1000, ge=1, description="Most held-out texts that are measured, before and after."
    )
    mask_share: float = Field(
        0.15, gt=0, lt=1, description="Share of tokens to be guessed (mlm and span_corruption)."
    )
    whole_words: bool = Field(
        False, description="Mask all tokens of a word together, not some of them (mlm only)."
    )
    span_length: float = Field(
        3.0, ge=1, le=100, description="Mean tokens of a cut-out span (span_corruption only)."
    )
    method: Literal["full", "lora", "adapter"] = Field(
        "full",
        description=(
            "`lora` learns low-rank updates, which are merged into the backbone before the task "
            "stage: less memory, and the pretrained weights move less. `adapter` leaves them as "
            "they are and trains the adapter of the strategy `adapter` that names no run, which "
            "stays below the task's (MAD-X, Pfeiffer et al. 2020, arXiv:2005.00052)."
        ),
    )
    rank: int = Field(16, ge=1, le=1024, description="Rank of the updates (lora only).")
    head_epochs: float = Field(
        0.0,
        ge=0,
        le=1000,
        description=(
            "Passes over the corpus in which a head that the model came without learns alone; the "
            "measure before is taken after them, and so tells of the model, not of a new head."
        ),
    )
    epochs: float = Field(3.0, gt=0, le=1000, description="Passes over the corpus.")
    max_steps: int | None = Field(
        None, ge=1, description="Upper bound of optimiser steps, of the head's own as well."
    )
    learning_rate: float = Field(1e-4, gt=0, le=10, description="Peak rate.")
    batch_size: int = Field(32, ge=1, description="Texts in one step on one device.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW weight decay.")
    warmup: float = Field(0.06, ge=0, lt=1, description="Share of the steps with a rising rate.")


class EarlyStopping(Section):
    """When to stop before the last epoch; the best state so far is restored in any case."""

    patience: int = Field(2, ge=1, description="Evaluations without an improvement to wait for.")
    threshold: float = Field(
        0.0, ge=0, description="Improvement of the watched score that counts as one."
    )


class TrainingConfig(Section):
    """One stage of training. Rates and epochs left out come from the strategy's own defaults."""

    epochs: float = Field(
        3.0,
        ge=0,
        le=1000,
        description=(
            "Passes over the training split; 0 for no training where the head needs none: with "
            "`head.init: probe`, `head.form: label_words`, or a strategy that fits the head."
        ),
    )
    min_steps: int = Field(
        0, ge=0, description="With few records, epochs are added until there are so many steps."
    )
    max_steps: int | None = Field(None, ge=1, description="Upper bound of optimiser steps.")
    learning_rate: float = Field(5e-5, gt=0, le=10, description="Peak rate of the backbone.")
    head_learning_rate: float | None = Field(
        None, gt=0, le=10, description="Peak rate of the head; null for the backbone's."
    )
    batch_size: int = Field(16, ge=1, description="Texts in one step on one device.")
    eval_batch_size: int = Field(64, ge=1, description="Texts in one prediction batch.")
    gradient_accumulation: int = Field(1, ge=1, description="Batches summed into one step.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW weight decay.")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="How the rate falls after the warm-up."
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps with a rising rate.")
    hidden_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description=(
            "Dropout of hidden states inside the backbone, attention not included; null keeps "
            "what the model came with."
        ),
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of each target spread.")
    class_weights: Literal["none", "balanced", "sqrt"] = Field(
        "none",
        description=(
            "Weight of a class in the loss: 1, inverse frequency, or the square root of it."
        ),
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto takes what the hardware accelerates; the record says why."
    )
    evaluations: int = Field(
        5, ge=1, le=1000, description="How often the validation split is scored, evenly spread."
    )
    evaluation_rows: int | None = Field(
        None, ge=2, description="Rows of the validation split drawn for that; null for all."
    )
    restore_best: bool = Field(
        True, description="End with the weights of the best validation score, not the last ones."
    )
    cache_frozen: bool = Field(
        True,
        description=(
            "Compute the outputs of frozen lower layers once and read them from disk at every "
            "epoch. Results are the same; dropout is off in frozen layers in either case."
        ),
    )
    cache_limit_gb: float = Field(
        8.0, ge=0, le=10_000, description="Largest cache of frozen layers, in GB on disk."
    )
    early_stopping: EarlyStopping | None = Field(
        None, description="Stop when the validation score stops improving; null to train on."
    )


class Bootstrap(Section):
    """How intervals are made."""

    resamples: int = Field(1000, ge=100, le=100_000, description="Bootstrap resamples.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Confidence level.")
    unit: Literal["auto", "row", "group"] = Field(
        "auto", description="What is resampled; auto takes groups when the split is grouped."
    )


class EvaluationConfig(Section):
    """What is reported."""

    primary: str = Field(
        "macro_f1",
        description=(
            "The score that choices are made on; left out, the one that suits the task's kind."
        ),
    )
    baselines: tuple[Literal["majority", "tfidf"], ...] = Field(
        ("majority", "tfidf"), description="Trained on the same rows, shown beside every result."
    )
    tfidf_features: Literal["words", "words+characters"] = Field(
        "words+characters",
        description="Words 1-2 grams, or with character 2-5 grams within words beside them.",
    )
    bootstrap: Bootstrap = Field(Bootstrap(), description="How intervals are made.")
    learning_curve: tuple[int | None, ...] = Field(
        (), description="Records per class for the learning curve; null stands for all of them."
    )


class Limits(Section):
    """Upper bounds that make any case small, for tests and quick edits."""

    train_rows: int | None = Field(None, ge=2, description="Most rows that are trained on.")
    eval_rows: int | None = Field(None, ge=2, description="Most rows that are scored per split.")
    corpus_rows: int | None = Field(
        None, ge=2, description="Most texts of `corpus`, held-out ones included."
    )


class CaseConfig(Section):
    """A whole case: what is to be done, on which data, how, and how it is judged.

    `tunebook.schema.case_model` closes it over the plugins of a host, so that `data`, `model`,
    `strategy`, `augmentation` and `metrics` become unions told apart by `kind`.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="Name; also a folder name."
    )
    title: str = Field("", description="One line for people.")
    data: SerializeAsAny[PluginConfig] = Field(description="Where the records come from.")
    task: TaskConfig = Field(TaskConfig(), description="Which columns hold what.")
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
            "Texts that its validation or test split has too are left out."
        ),
    )
    pretraining: PretrainingConfig | None = Field(
        None,
        description="Pretraining on texts of the domain before the task stage; null for none.",
    )
    strategy: SerializeAsAny[PluginConfig] = Field(description="How the model is adapted.")
    training: TrainingConfig = Field(TrainingConfig(), description="The training stage.")
    metrics: tuple[SerializeAsAny[PluginConfig], ...] = Field(
        (), description="What is measured, in order; left out, what suits the task's kind."
    )
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="What is reported.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of everything but the split.")

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
