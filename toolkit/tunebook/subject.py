"""A data set together with the model that is adapted to it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunebook.config import CaseConfig
from tunebook.contracts import LanguageStrategy, Prepared
from tunebook.data.corpus import load_corpus
from tunebook.data.dataset import SPLITS, Dataset
from tunebook.data.tokens import Encoded, encode
from tunebook.errors import ConfigError, Problem
from tunebook.events import EventLog
from tunebook.host import PluginHost
from tunebook.legality import Setting, check_legal
from tunebook.models.layers import blocks_of
from tunebook.models.load import load_tokenizer, model_family, width
from tunebook.models.quiet import quiet_libraries
from tunebook.models.resolve import ResolvedModel, resolve_model
from tunebook.rules import lower_is_better, scores_of
from tunebook.shared_work import MAPPED, SharedWork, array_sha256, json_sha256
from tunebook.tasks.build import build_classifier, head_form
from tunebook.tasks.text_classification import TextClassifier
from tunebook.training.checkpoints import Checkpoints
from tunebook.training.context import Context
from tunebook.training.inputs import (
    FeatureInputs,
    Inputs,
    PrefixInputs,
    TokenInputs,
    subset,
    token_inputs,
)
from tunebook.training.objectives import choose_objective
from tunebook.training.precision import Precision, device
from tunebook.training.predict import encode_features
from tunebook.training.prefix import (
    Prefix,
    agrees,
    compute_states,
    keep_in_evaluation,
    states_bytes,
)
from tunebook.training.pretraining import Pretraining, pretrain, weights_hash
from tunebook.training.probe import init_head_from_probe
from tunebook.training.stages import Stages


@dataclass
class Subject:
    """A data set with the model that is adapted to it."""

    case: CaseConfig
    host: PluginHost
    dataset: Dataset
    precision: Precision
    base: ResolvedModel
    tokenizer: Any
    model: Any
    tokens: dict[str, TokenInputs] = field(default_factory=dict)
    shortened: dict[str, int] = field(default_factory=dict)
    shared: SharedWork = field(default_factory=SharedWork)
    adapted: str = ""
    """Hash of the backbone's weights, a language adapter's included, after pretraining."""

    @classmethod
    def build(
        cls,
        case: CaseConfig,
        host: PluginHost,
        dataset: Dataset,
        precision: Precision,
        shared: SharedWork | None = None,
        *,
        base: ResolvedModel | None = None,
        beside: Subject | None = None,
    ) -> Subject:
        """Loads tokenizer and backbone and puts a new head on top.

        Args:
            case: Of one task.
            host: Plugins.
            dataset: Of that task.
            precision: What is computed in.
            shared: What is taken over from earlier runs, and told of this one.
            base: Of several tasks, the model, which `checked_form` has let pass for each.
            beside: Whose tokenizer and backbone are taken, None to load them.
        """
        if base is None:
            base = resolve_base(case, host)
            checked_form(case, host, base)
        tokenizer = beside.tokenizer if beside else load_tokenizer(base.folder)
        if case.pretraining is not None:
            family = model_family(base.folder)
            choose_objective(case.pretraining, family, base.architecture, tokenizer)
        model = build_classifier(
            base.folder,
            tokenizer,
            dataset.classes,
            case.head,
            task=case.task,
            hidden_dropout=case.training.hidden_dropout,
            backbone=beside.model.backbone if beside else None,
        )
        model = model.to(device())
        shared = shared or SharedWork()
        return cls(case, host, dataset, precision, base, tokenizer, model, shared=shared)

    def about(self) -> dict[str, Any]:
        """Returns what the record says of the model."""
        return {
            "source": self.base.source,
            "description": self.base.description,
            "architecture": self.base.architecture,
            "sha256": self.base.sha256,
        }

    def pretrain(
        self, folder: Path, log: EventLog, checkpoints: Checkpoints | None = None
    ) -> dict[str, Any]:
        """Adapts the backbone to the case's corpus, in place; returns what the record keeps."""
        assert self.case.pretraining is not None
        strategy, adapter = self.host.create("strategy", self.case.strategy), None
        if isinstance(strategy, LanguageStrategy):
            adapter = partial(strategy.learn_language, self.model, context=self.context())
        corpus = load_corpus(self.case, self.host, self.dataset)
        if checkpoints is not None:
            checkpoints.stand_on(corpus=corpus.fingerprint)
        about = pretrain(
            Pretraining(
                self.case.pretraining,
                corpus,
                self.base.folder,
                self.model.backbone,
                self.tokenizer,
                self.case.text.max_tokens,
                self.case.training.eval_batch_size,
                self.precision,
                self.case.seed,
                folder,
                log,
                adapter,
                checkpoints,
            )
        )
        self.adapted = weights_hash(self.model.backbone)
        return about | {"weights": self.adapted}

    def stages(
        self,
        prepared: Prepared,
        folder: Path,
        log: EventLog,
        checkpoints: Checkpoints | None = None,
    ) -> Stages:
        """Returns what a strategy runs its own stages with."""
        training = self.case.training
        return Stages(
            prepared.model,
            self.tokens_of("train"),
            training,
            self.precision,
            self.case.seed,
            folder,
            log,
            self.dataset.form,
            balanced=training.class_weights != "none",
            checkpoints=checkpoints,
        )

    def prepare(self) -> Prepared:
        """Gives the head its start values and lets the strategy change the model."""
        self.start_head()
        prepared = self.adapt(self.model, self.context())
        keep_prefix(prepared, [(self, prepared.model)])
        return prepared

    def start_head(self) -> None:
        """Gives the head its start values."""
        if self.case.head.init == "probe":
            inputs = self.tokens_of("train")
            balanced = self.case.training.class_weights != "none"
            init_head_from_probe(
                self.model,
                self.features("train", self.model),
                inputs,
                self.dataset.form,
                c=self.case.head.probe_c,
                balanced=balanced,
            )

    @quiet_libraries()
    def adapt(self, model: Any, context: Context) -> Prepared:
        """Lets the strategy change a model: the classifier, or it and others on its backbone."""
        strategy = self.host.create("strategy", self.case.strategy)
        prepared: Prepared = strategy.prepare(model, context)
        return prepared

    def context(self) -> Context:
        """Returns what the strategy is told."""
        longest = self.base.max_positions
        return Context.of(
            self.model,
            self.case.training,
            free_positions=None if longest is None else longest - self.case.text.max_tokens,
            weights=self.adapted if self.moved else self.base.sha256,
            primary=self.case.evaluation.primary,
            scores=scores_of(self.host, self.case),
            lower_is_better=lower_is_better(self.host, self.case),
            encode=partial(self.tokenizer.encode, add_special_tokens=False, verbose=False),
            note=self.shared.note,
        )

    @property
    def moved(self) -> bool:
        """Whether pretraining has changed the pretrained weights; an adapter stands beside them."""
        pretraining = self.case.pretraining
        return bool(self.adapted) and pretraining is not None and pretraining.method != "adapter"

    def tokens_of(self, split: str) -> TokenInputs:
        """Returns the tokenised split."""
        if split not in self.tokens:
            encoded = self._encoded(split)
            self.shortened[split] = encoded.shortened
            self.tokens[split] = token_inputs(
                encoded, self.dataset.targets(split), self.model, self.tokenizer
            )
        return self.tokens[split]

    def _encoded(self, split: str) -> Encoded:
        texts, pairs = self.dataset.texts(split), self.dataset.pairs(split)
        parts = {
            "tokenizer": self.base.tokenizer_sha256,
            "texts": json_sha256(texts),
            "pairs": json_sha256(pairs),
            "text": self.case.text.model_dump(mode="json"),
        }
        compute = lambda: encode(self.tokenizer, texts, pairs, self.case.text).packed()  # noqa: E731
        kept = self.shared.arrays("tokens", f"tokens of {split}", parts, compute)
        return Encoded.unpacked(kept.value)

    def inputs(self, split: str, prepared: Prepared) -> Inputs:
        """Returns what the prepared model is fed with: tokens, or cached features of them."""
        tokens = self.tokens_of(split)
        if prepared.cache_features and self.case.training.cache_frozen:
            features = self.features(split, prepared.model)
            return FeatureInputs(features, tokens.document, tokens.targets, tokens.lengths)
        prefix = getattr(prepared.model, "prefix", None)
        return tokens if prefix is None else self._prefix_inputs(tokens, prepared.model, prefix)

    def features(self, split: str, model: Any) -> np.ndarray:
        """Returns pooled outputs of the pretrained backbone, from the cache where they are."""
        tokens = self.tokens_of(split)
        size = self.case.training.eval_batch_size
        kept = self.shared.arrays(
            "features",
            f"features of {split}",
            self._parts(tokens, pooling=model.pool.__name__),
            lambda: {"features": encode_features(model, tokens, size, self.precision)},
            MAPPED,
        )
        return kept.value["features"]

    def _parts(self, tokens: TokenInputs, **parts: Any) -> dict[str, Any]:
        """Returns all that outputs of the frozen backbone depend on."""
        return {
            "weights": self.adapted or self.base.sha256,
            "config": json_sha256(self.base.config),
            "tokens": _hash_tokens(tokens),
            "precision": self.precision.name,
            "batch": self.case.training.eval_batch_size,  # how rows are padded moves last bits
            **parts,
        }

    def skips(self, classifier: TextClassifier, prefix: Prefix) -> bool:
        """Gives a classifier the frozen prefix; returns whether its logits stay what they were."""
        classifier.prefix = prefix
        inputs = self._prefix_inputs(self.tokens_of("validation"), classifier, prefix)
        return agrees(classifier, inputs, self.precision)

    def _prefix_inputs(self, tokens: TokenInputs, model: Any, prefix: Prefix) -> PrefixInputs:
        size = self.case.training.eval_batch_size
        kept = self.shared.arrays(
            "states",
            f"outputs of {prefix.count} frozen layers",
            self._parts(tokens, layers=prefix.count),
            lambda: {"states": compute_states(model, prefix, tokens, size, self.precision)},
            MAPPED,
        )
        return PrefixInputs(tokens, kept.value["states"])


def resolve_base(case: CaseConfig, host: PluginHost) -> ResolvedModel:
    """Returns where the pretrained model of a case lies; no weights are loaded."""
    return resolve_model(host.create("model", case.model).files(), host.names("model"))


def checked_form(
    case: CaseConfig, host: PluginHost, base: ResolvedModel, *, multitask: bool = False
) -> str:
    """Returns the form of the head of a task.

    Raises:
        ConfigError: Strategy, task and model don't go together, or the texts are too long for it.
    """
    _check_length(case, base)
    family = model_family(base.folder)
    form = head_form(case.head, family, case.task.kind)
    setting = Setting(family, form, base.architecture, case.task.kind, multitask)
    check_legal(host, case.strategy.kind, setting)
    return form


def keep_prefix(prepared: Prepared, tasks: Sequence[tuple[Subject, Any]]) -> None:
    """Makes frozen lower blocks deterministic, and skips them where their outputs are known.

    Args:
        prepared: What the strategy made of the model.
        tasks: The subject of each task, with its classifier on the prepared model.
    """
    (first, _), backbone = tasks[0], prepared.model.backbone
    blocks, count = blocks_of(backbone), prepared.frozen_layers
    if prepared.cache_features:
        keep_in_evaluation(backbone)
    known = all(isinstance(classifier, TextClassifier) for _, classifier in tasks)
    if not 0 < count < len(blocks) or not known:
        return
    prefix = Prefix(backbone, blocks, count)
    prefix.silence()
    training = first.case.training
    if not training.cache_frozen or any(c.start is not None for _, c in tasks):
        return
    tokens = [subject.tokens_of(split) for subject, _ in tasks for split in SPLITS]
    size = sum(states_bytes(each, width(backbone)) for each in tokens) / 2**30
    named = f"outputs of the lowest {count} of {len(blocks)} layers, {size:.2f} GB,"
    if size > training.cache_limit_gb:
        first.shared.note(f"{named} are not kept: they are above training.cache_limit_gb")
        return
    first.shared.note(f"{named} are computed once and kept on disk")
    prefix.install()
    if not all(subject.skips(classifier, prefix) for subject, classifier in tasks):
        first.shared.note("the kept outputs don't give the same logits, so they are not used")
        for _, classifier in tasks:
            classifier.prefix = None


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def draw_documents(inputs: Inputs, case: CaseConfig) -> Inputs:
    """Returns the documents of the validation split that are scored during training."""
    rows = case.training.evaluation_rows
    if rows is None or rows >= inputs.documents:
        return inputs
    rng = np.random.default_rng(case.seed)
    return subset(inputs, np.sort(rng.choice(inputs.documents, rows, replace=False)))


def _check_length(case: CaseConfig, base: ResolvedModel) -> None:
    longest = base.max_positions
    if longest is not None and case.text.max_tokens > longest:
        raise ConfigError(
            Problem(
                "config.max_tokens",
                "text.max_tokens",
                f"at most {longest}, which is all that {base.source} can see at once",
                str(case.text.max_tokens),
                "lower it, and set text.long_texts=windows to read longer texts whole",
            )
        )


def _hash_tokens(tokens: TokenInputs) -> str:
    digest = hashlib.sha256()
    for ids in tokens.input_ids:
        digest.update(np.asarray(ids, dtype=np.int32).tobytes() + b"|")
    digest.update(f"{tokens.pad} {array_sha256(tokens.second)}".encode())
    return digest.hexdigest()
