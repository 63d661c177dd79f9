"""A data set together with the model that is adapted to it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunebook.config import CaseConfig
from tunebook.contracts import Prepared
from tunebook.data.dataset import Dataset
from tunebook.data.tokens import encode_texts
from tunebook.errors import ConfigError, Problem
from tunebook.export import save_classifier
from tunebook.host import PluginHost
from tunebook.models.load import load_backbone, load_tokenizer
from tunebook.models.resolve import ResolvedModel, resolve_model
from tunebook.tasks.text_classification import TextClassifier
from tunebook.training.context import Context
from tunebook.training.features import cached_features, fingerprint
from tunebook.training.inputs import FeatureInputs, Inputs, TokenInputs, subset
from tunebook.training.precision import Precision, device
from tunebook.training.predict import encode_features
from tunebook.training.probe import init_head_from_probe


@dataclass
class Subject:
    """A data set with the model that is adapted to it."""

    case: CaseConfig
    host: PluginHost
    dataset: Dataset
    precision: Precision
    base: ResolvedModel
    tokenizer: Any
    model: TextClassifier
    tokens: dict[str, TokenInputs] = field(default_factory=dict)
    shortened: dict[str, int] = field(default_factory=dict)

    @classmethod
    def build(
        cls, case: CaseConfig, host: PluginHost, dataset: Dataset, precision: Precision
    ) -> Subject:
        """Loads tokenizer and backbone and puts a new head on top."""
        base = resolve_model(host.create("model", case.model).files(), host.names("model"))
        _check_length(case, base)
        tokenizer = load_tokenizer(base.folder)
        backbone = load_backbone(base.folder, hidden_dropout=case.training.hidden_dropout)
        model = TextClassifier(backbone, len(dataset.classes), case.head)
        return cls(case, host, dataset, precision, base, tokenizer, model.to(device()))

    def about(self) -> dict[str, Any]:
        """Returns what the record says of the model."""
        return {
            "source": self.base.source,
            "description": self.base.description,
            "architecture": self.base.architecture,
            "sha256": self.base.sha256,
        }

    def prepare(self) -> Prepared:
        """Gives the head its start values and lets the strategy change the model."""
        if self.case.head.init == "probe":
            inputs = self.tokens_of("train")
            balanced = self.case.training.class_weights != "none"
            init_head_from_probe(
                self.model,
                self.features("train", self.model),
                inputs,
                c=self.case.head.probe_c,
                balanced=balanced,
            )
        strategy = self.host.create("strategy", self.case.strategy)
        return strategy.prepare(self.model, Context.of(self.model, self.case.training))

    def tokens_of(self, split: str) -> TokenInputs:
        """Returns the tokenised split."""
        if split not in self.tokens:
            encoded = encode_texts(self.tokenizer, self.dataset.texts(split), self.case.text)
            self.shortened[split] = encoded.shortened
            self.tokens[split] = TokenInputs(
                encoded.input_ids,
                encoded.document,
                self.dataset.targets(split),
                self.tokenizer.pad_token_id,
            )
        return self.tokens[split]

    def inputs(self, split: str, prepared: Prepared) -> Inputs:
        """Returns what the prepared model is fed with: tokens, or cached features of them."""
        tokens = self.tokens_of(split)
        if not prepared.cache_features:
            return tokens
        features = self.features(split, prepared.model)
        return FeatureInputs(features, tokens.document, tokens.targets)

    def features(self, split: str, model: Any) -> np.ndarray:
        """Returns pooled outputs of the pretrained backbone, from the cache where they are."""
        tokens = self.tokens_of(split)
        key = fingerprint(
            {
                "weights": self.base.sha256,
                "tokens": _hash_tokens(tokens),
                "pooling": model.pool.__name__,
                "precision": self.precision.name,
                "torch": torch.__version__,
            }
        )
        size = self.case.training.eval_batch_size
        features, _ = cached_features(
            key, lambda: encode_features(model, tokens, size, self.precision)
        )
        return features

    def save(self, folder: Path, prepared: Prepared) -> None:
        """Writes the trained model."""
        save_classifier(
            folder,
            prepared,
            self.tokenizer,
            self.case,
            self.dataset.classes,
            self.base,
            self.precision,
        )


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def class_weights(dataset: Dataset, kind: str) -> np.ndarray | None:
    """Returns the weight of each class in the loss, shape (k,); None when all weigh the same."""
    power: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
        "balanced": lambda counts: 1 / counts,
        "sqrt": lambda counts: 1 / np.sqrt(counts),
    }
    if kind == "none":
        return None
    targets = dataset.targets("train")
    counts = np.bincount(targets, minlength=len(dataset.classes)).clip(min=1)
    weights = power[kind](counts.astype(np.float64))
    # the mean weight of an example is one, so that the learning rate keeps its meaning
    return weights / weights[targets].mean()


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
    return digest.hexdigest()
