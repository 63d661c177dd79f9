"""What can be learnt from texts alone, as a table: which head, which pieces, what is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from tunebook.config import PretrainingConfig
from tunebook.errors import ConfigError, Problem
from tunebook.models.load import next_sentence_architectures
from tunebook.training.language_inputs import Example, Piece, Spoil, cut_texts
from tunebook.training.language_models import (
    CutSpans,
    FollowingSentence,
    MaskedTokens,
    NextToken,
)
from tunebook.training.masking import masking
from tunebook.training.sentence_pairs import SentencePair, next_sentence, sentence_pairs
from tunebook.training.span_corruption import find_sentinels, span_corruption


@dataclass(frozen=True)
class Objective:
    """Something that is learnt from texts alone.

    Attributes:
        family: The model family it is for.
        auto_class: transformers' class of the model with the head for it.
        learner: Wraps that model: its forward gives the loss, its `tally` what is measured.
        pieces: Cuts texts, by a tokenizer and the longest input, into what examples are made of.
        spoil: Returns what makes examples of such pieces, by the config, the tokenizer, and the
            number of tokens that the backbone knows.
        measure: What is told of held-out texts, a key of `language_models.MEASURES`.
    """

    family: str
    auto_class: str
    learner: Callable[[nn.Module], nn.Module]
    pieces: Callable[[Any, Sequence[str], int], Sequence[Any]]
    spoil: Callable[[PretrainingConfig, Any, int, Sequence[Any]], Spoil]
    measure: str = "perplexity"


def choose_objective(
    config: PretrainingConfig, family: str, architecture: str, tokenizer: Any
) -> tuple[str, Objective]:
    """Returns the name and the objective, by the model's family where the config says auto.

    Args:
        config: What is asked for.
        family: ``encoder``, ``decoder`` or ``encoder_decoder``.
        architecture: transformers model type.
        tokenizer: The model's.

    Raises:
        ConfigError: It isn't for this family or architecture, or the tokenizer lacks what it needs.
    """
    name = BY_FAMILY[family] if config.objective == "auto" else config.objective
    objective = OBJECTIVES[name]
    if objective.family != family:
        raise ConfigError(_unsuitable(name, objective, family))
    if name == "nsp" and architecture not in next_sentence_architectures():
        raise ConfigError(_no_sentence_head(architecture))
    if name == "mlm" and tokenizer.mask_token_id is None:
        raise ConfigError(_no_mask_token(architecture))
    if name == "span_corruption":
        find_sentinels(tokenizer)
    return name, objective


def _masked(
    config: PretrainingConfig, tokenizer: Any, vocabulary: int, _: Sequence[Piece]
) -> Spoil:
    return masking(tokenizer, vocabulary, config.mask_share, config.whole_words)


def _next_token(*_: Any) -> Spoil:
    def example(piece: Piece, _: Any) -> Example:
        return {"input_ids": piece.ids, "labels": piece.ids}

    return example


def _cut_spans(config: PretrainingConfig, tokenizer: Any, *_: Any) -> Spoil:
    return span_corruption(tokenizer, config.mask_share, config.span_length)


def _following(
    _: PretrainingConfig, tokenizer: Any, _vocabulary: int, pairs: Sequence[SentencePair]
) -> Spoil:
    return next_sentence(tokenizer, pairs)


OBJECTIVES = {
    "mlm": Objective("encoder", "AutoModelForMaskedLM", MaskedTokens, cut_texts, _masked),
    "clm": Objective("decoder", "AutoModelForCausalLM", NextToken, cut_texts, _next_token),
    "span_corruption": Objective(
        "encoder_decoder", "AutoModelForSeq2SeqLM", CutSpans, cut_texts, _cut_spans
    ),
    "nsp": Objective(
        "encoder",
        "AutoModelForNextSentencePrediction",
        FollowingSentence,
        sentence_pairs,
        _following,
        measure="accuracy",
    ),
}
BY_FAMILY = {"encoder": "mlm", "decoder": "clm", "encoder_decoder": "span_corruption"}
"""What auto takes."""


def _unsuitable(name: str, objective: Objective, kind: str) -> Problem:
    return Problem(
        "pretraining.objective",
        "pretraining.objective",
        f"`{BY_FAMILY[kind]}`, which is for models of the family {kind}",
        f"`{name}`, which is for the family {objective.family}",
        f"set pretraining.objective={BY_FAMILY[kind]}, or auto",
    )


def _no_sentence_head(architecture: str) -> Problem:
    return Problem(
        "pretraining.objective",
        "pretraining.objective",
        f"a model like BERT: {', '.join(sorted(next_sentence_architectures()))}",
        f"`nsp` with `{architecture}`",
        "set pretraining.objective=mlm",
    )


def _no_mask_token(architecture: str) -> Problem:
    return Problem(
        "pretraining.no_mask_token",
        "pretraining.objective",
        "a tokenizer with a mask token",
        f"`{architecture}`, whose tokenizer has none",
        "choose another model, or leave `pretraining` out",
    )
