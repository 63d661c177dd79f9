"""Builds the XLM-RoBERTa tokenizer of the model from the pieces in the packed file."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from tunebook_plugins.models.e5_multilingual.packed import PackedModel

PREFIX = "query: "
"""What the model was trained to see before a text that is not a passage to be searched."""

DELETED = Regex(r"[\x01-\x08\x0B\x0E-\x1F\x7F\x{8F}\x{9F}]")
SPACES = Regex(r"[\t\n\f\r\x{1680}\x{200B}-\x{200F}\x{2028}\x{2029}\x{2581}\x{FEFF}\x{FFFD}]")
FULLWIDTH_TILDE, PLACEHOLDER = "\uff5e", "\ufdd0"
"""NFKC would make a `~` of the tilde, which the model's own table spares; the placeholder is a
noncharacter, which Unicode keeps free for such a use."""

SPECIAL = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
    "cls_token": "<s>",
    "sep_token": "</s>",
}


def write_tokenizer(packed: PackedModel, folder: Path) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`."""
    build_tokenizer(packed.pieces, packed.unk).save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": packed.shape.max_position_embeddings,
        "model_input_names": ["input_ids", "attention_mask"],
        **SPECIAL,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def build_tokenizer(pieces: list[tuple[str, float]], unk: int) -> Tokenizer:
    """Returns a Unigram tokenizer that puts ``<s> query:`` before a text and ``</s>`` behind it.

    The prefix is part of what surrounds a text, like ``<s>``, so that it stands before every
    window of a long text and is never cut off. No piece crosses a space, so that the tokens of
    ``query: `` + text are those of ``query:`` and those of the text.
    """
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unk))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    prefix = tokenizer.encode(PREFIX.strip(), add_special_tokens=False)
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False) for token in dict.fromkeys(SPECIAL.values())]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> <query> $A </s>",
        pair="<s> <query> $A </s> </s> <query> $B </s>",
        special_tokens=[
            ("<s>", tokenizer.token_to_id("<s>")),
            ("</s>", tokenizer.token_to_id("</s>")),
            {"id": "<query>", "ids": prefix.ids, "tokens": prefix.tokens},
        ],
    )
    return tokenizer


def _normalizer() -> normalizers.Normalizer:
    """What the model's table does to a character (SentencePiece's `nmt_nfkc`).

    Unlike the table, NFKC also composes what takes several characters, a letter and its accent.
    """
    return normalizers.Sequence(
        [
            normalizers.Replace(DELETED, ""),
            normalizers.Replace(SPACES, " "),
            normalizers.Replace(FULLWIDTH_TILDE, PLACEHOLDER),
            normalizers.NFKC(),
            normalizers.Replace(PLACEHOLDER, FULLWIDTH_TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
