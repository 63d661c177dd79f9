"""Loads a backbone and its tokenizer from a checked folder.

The differences between transformers 4.57 and 5.x are met here and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunebook.errors import ConfigError, Problem


def load_tokenizer(folder: Path) -> Any:
    """Returns the fast tokenizer, without the truncation and padding some files preset.

    Raises:
        ConfigError: There is none, or it isn't a fast one.
    """
    from transformers import AutoTokenizer

    try:
        with _without_false_alarm(folder):
            tokenizer = AutoTokenizer.from_pretrained(
                str(folder), use_fast=True, trust_remote_code=False, local_files_only=True
            )
    except Exception as error:
        raise ConfigError(_cannot_load(folder, "a tokenizer", error)) from error
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(_cannot_load(folder, "a fast tokenizer", "a slow one"))
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    if tokenizer.pad_token is None:  # decoders have none; padded places are masked anyway
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


@contextmanager
def _without_false_alarm(folder: Path) -> Iterator[None]:
    """Every folder that transformers 4.57 has saved, or whose config names no version, makes it
    warn of a bug in Mistral's tokenizers, whatever the model."""
    logger = logging.getLogger("transformers.tokenization_utils_base")
    is_concerned = "stral" in (folder / "config.json").read_text(encoding="utf-8")
    quiet = lambda record: is_concerned or "regex pattern" not in record.getMessage()  # noqa: E731
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


HIDDEN_DROPOUTS = ("hidden_dropout_prob", "hidden_dropout", "dropout", "embd_pdrop", "resid_pdrop")
"""What the dropout of hidden states is called in a config, by architecture. Attention's own is not
among them: without it the CPU takes another attention kernel, which is slower on short texts."""


def load_backbone(
    folder: Path,
    form: str = "linear",
    *,
    weights: bool = True,
    hidden_dropout: float | None = None,
) -> nn.Module:
    """Returns the pretrained model in float32 and in evaluation mode.

    Args:
        folder: Folder that the gate has let through.
        form: ``linear`` for the model without a head, ``label_words`` for an encoder-decoder with
            its language modelling head.
        weights: False to build the structure with random weights, for a state that is loaded
            afterwards.
        hidden_dropout: Dropout of hidden states, None for what the model came with.

    Raises:
        ConfigError: transformers cannot make a model of it.
    """
    import transformers

    auto = getattr(transformers, AUTO_CLASSES[form])
    try:
        config = _config(folder)
        for name in HIDDEN_DROPOUTS if hidden_dropout is not None else ():
            if hasattr(config, name):
                setattr(config, name, hidden_dropout)
        arguments = _without_pooler(config) if form == "linear" else {}
        if not weights:
            return auto.from_config(config, **arguments).eval()
        with _quiet():
            model = auto.from_pretrained(
                str(folder),
                config=config,
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                **arguments,
            )
        return model.eval()
    except Exception as error:
        raise ConfigError(_cannot_load(folder, "a model", error)) from error


def next_sentence_architectures() -> frozenset[str]:
    """Returns the model types that transformers has a head for pairs of sentences for."""
    from transformers.models.auto import modeling_auto

    return frozenset(modeling_auto.MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES)


def load_language_model(
    folder: Path, backbone: nn.Module, auto_class: str
) -> tuple[nn.Module, tuple[str, ...]]:
    """Returns a model with a head for pretraining, which shares `backbone` and adapts it in place.

    Args:
        folder: Folder that `backbone` came from.
        backbone: What `load_backbone` made of it.
        auto_class: transformers' class of the model with its head.

    Returns:
        The model, and the names of those of the head's parameters that the folder doesn't hold
        and that start fresh. The output layer is tied to the word embeddings where the model does
        that. A pooler that the head reads stands beside the backbone, as `pooler`.

    Raises:
        ConfigError: transformers cannot make such a model of it.
    """
    import transformers

    if backbone.get_output_embeddings() is not None:  # label words come with their head
        return backbone, ()
    try:
        with _quiet():
            model, report = getattr(transformers, auto_class).from_pretrained(
                str(folder),
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:
        raise ConfigError(_cannot_load(folder, f"an {auto_class}", error)) from error
    pooler = getattr(model.base_model, "pooler", None)
    prefix = model.base_model_prefix
    shared = {prefix: backbone} if hasattr(model, prefix) else dict(backbone.named_children())
    for name, module in shared.items():
        setattr(model, name, module)
    if pooler is not None:
        model.pooler = pooler
    model.tie_weights()
    own = [name for name in report["missing_keys"] if name.split(".")[0] not in shared]
    return model, tuple(sorted(own))


AUTO_CLASSES = {"linear": "AutoModel", "label_words": "AutoModelForSeq2SeqLM"}


def model_family(folder: Path) -> str:
    """Returns ``encoder``, ``decoder`` or ``encoder_decoder``.

    Raises:
        ConfigError: transformers doesn't know the architecture.
    """
    try:
        return family(_config(folder))
    except Exception as error:
        raise ConfigError(_cannot_load(folder, "a model", error)) from error


def family(config: Any) -> str:
    """Returns the family of a transformers config; decoders are those that only look back."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as causal
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as masked

    if config.is_encoder_decoder:
        return "encoder_decoder"
    kind = config.model_type
    return "decoder" if kind in causal and kind not in masked else "encoder"


def width(backbone: nn.Module) -> int:
    """Returns the length of the backbone's token vectors."""
    return int(backbone.config.hidden_size)


def tells_segments(backbone: nn.Module, tokenizer: Any) -> bool:
    """Whether a model was pretrained to tell the second text of a pair from the first."""
    if int(getattr(backbone.config, "type_vocab_size", None) or 0) < 2:
        return False
    return 1 in tokenizer("a", "a", return_token_type_ids=True, verbose=False)["token_type_ids"]


def save_structure(backbone: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Writes what is needed to build the backbone again: its config and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    backbone.config.to_json_file(str(folder / "config.json"))
    tokenizer.save_pretrained(str(folder))


def _without_pooler(config: Any) -> dict[str, bool]:
    """A BERT-like pooler would be carried along, counted and never used."""
    from transformers import MODEL_MAPPING

    try:
        forward = MODEL_MAPPING[type(config)].__init__
    except KeyError:
        return {}
    names = forward.__code__.co_varnames if hasattr(forward, "__code__") else ()
    return {"add_pooling_layer": False} if "add_pooling_layer" in names else {}


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers from listing heads and poolers that we leave out on purpose, and from
    showing bars, which version 5 does for every file that it loads."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _cannot_load(folder: Path, wanted: str, error: object) -> Problem:
    text = " ".join(str(error).split())[:300]
    return Problem(
        "model.cannot_load", str(folder), wanted, text, "check that the folder is complete"
    )
