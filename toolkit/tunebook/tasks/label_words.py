"""One label for each text, by what an encoder–decoder would say: class names are words to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from tunebook.errors import ConfigError, Problem, did_you_mean

Tensor = torch.Tensor


class LabelScale(nn.Module):
    """Turns log-likelihoods of label words into logits: one scale, and one bias a class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, scores: Tensor) -> Tensor:
        return scores * self.scale + self.bias


class LabelWordClassifier(nn.Module):
    """Scores each class by the likelihood of its label words as the answer to the text.

    A class's score is the mean log-likelihood of the tokens of its words, the end token included
    (rank classification, as in Sanh et al. 2022, arXiv:2110.08207). The text is encoded once; the
    decoder reads every class's words.

    Args:
        backbone: transformers model for sequence-to-sequence language modelling.
        words: Token numbers of each class's words, the end token included.
    """

    def __init__(self, backbone: nn.Module, words: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = LabelScale(len(words))
        self.start = int(backbone.config.decoder_start_token_id)
        longest = max(len(tokens) for tokens in words)
        padded = [[*tokens, *[-1] * (longest - len(tokens))] for tokens in words]
        self.register_buffer("words", torch.tensor(padded), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Returns logits (b, k) of token inputs (b, t)."""
        start = input_ids.new_full((len(input_ids), 1), self.start)
        output = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=start
        )
        states = output.encoder_last_hidden_state
        # a prompt that a strategy puts before the text is seen by the decoder as well
        prompt = states.shape[1] - attention_mask.shape[1]
        mask = nn.functional.pad(attention_mask, (prompt, 0), value=1)
        return self.head(self._likelihoods(states, mask))

    def _likelihoods(self, states: Tensor, mask: Tensor) -> Tensor:
        """Returns mean token log-likelihoods (b, k) of every class's words."""
        texts, (classes, length) = len(states), self.words.shape
        asked = self.words >= 0
        words = self.words.clamp(min=0)
        shifted = nn.functional.pad(words[:, :-1], (1, 0), value=self.start)
        logits = _innermost(self.backbone)(
            encoder_outputs=(states.repeat_interleave(classes, dim=0),),
            attention_mask=mask.repeat_interleave(classes, dim=0),
            decoder_input_ids=shifted.repeat(texts, 1),
        ).logits
        said = words.repeat(texts, 1).unsqueeze(-1)
        # of the whole vocabulary's likelihoods only those of the words are made
        likely = logits.gather(-1, said).squeeze(-1).float() - logits.float().logsumexp(dim=-1)
        likely = likely.view(texts, classes, length)
        return (likely * asked).sum(dim=-1) / asked.sum(dim=-1)


def label_words(
    tokenizer: Any, classes: Sequence[str], verbaliser: dict[str, str]
) -> list[list[int]]:
    """Returns the token numbers of each class's words, the end token included.

    Args:
        tokenizer: The backbone's.
        classes: Class names, which are their own words unless `verbaliser` has others.
        verbaliser: Words by class name.

    Raises:
        ConfigError: Words for a class that there isn't, or two classes with the same tokens.
    """
    unknown = sorted(verbaliser.keys() - set(classes))
    if unknown:
        raise ConfigError(*(_unknown_class(name, classes) for name in unknown))
    words = [
        [*tokenizer.encode(verbaliser.get(name, name), add_special_tokens=False), _end(tokenizer)]
        for name in classes
    ]
    first: dict[tuple[int, ...], str] = {}
    for name, tokens in zip(classes, words, strict=True):
        other = first.setdefault(tuple(tokens), name)
        if other != name:
            raise ConfigError(_same_words(other, name))
    return words


def _end(tokenizer: Any) -> int:
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    return int(tokenizer.pad_token_id if end is None else end)


def _innermost(backbone: nn.Module) -> Any:
    """Returns the transformers model inside peft's wrapper, with what peft put into its layers."""
    inner = getattr(backbone, "get_base_model", None)
    return backbone if inner is None else inner()


def _unknown_class(name: str, classes: Sequence[str]) -> Problem:
    return Problem(
        "config.label_words",
        "head.label_words",
        "class names of the data",
        f"`{name}`",
        did_you_mean(name, classes),
    )


def _same_words(one: str, other: str) -> Problem:
    return Problem(
        "config.label_words",
        "head.label_words",
        "words that the tokenizer tells apart",
        f"the same tokens for `{one}` and `{other}`",
        "give one of them other words in head.label_words, or set head.form=linear",
    )
