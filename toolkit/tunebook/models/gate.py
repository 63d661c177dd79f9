"""The gate: what a pretrained model must not contain, checked before anything of it is loaded.

A `config.json` can name code to run (`auto_map`) and, in transformers below 5.3, a repository to
take attention kernels from (`_attn_implementation_internal`, CVE-2026-4372); pickled weights run
code when they are read. None of that is let through, whatever `trust_remote_code` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunebook.cache import file_sha256
from tunebook.errors import ConfigError, Problem, shorten

REFUSED_KEYS: Mapping[str, str] = {
    "auto_map": "it names remote code",
    "custom_pipelines": "it names remote code",
    "trust_remote_code": "it asks to run remote code",
}
REFUSED_PREFIX = "_attn_implementation"
JSON_FILES = ("config.json", "tokenizer_config.json", "generation_config.json")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5")


def check_folder(folder: Path, sha256: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Returns the model's config after checking everything that lies in `folder`.

    Args:
        folder: Local folder of the model.
        sha256: Expected hashes by file name.

    Raises:
        ConfigError: With every reason for not loading it.
    """
    if not (folder / "config.json").is_file():
        raise ConfigError(_not_a_model(folder))
    problems = [
        *check_configs(folder),
        *_check_weights(folder),
        *_check_hashes(folder, sha256 or {}),
    ]
    if problems:
        raise ConfigError(*problems)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def check_configs(folder: Path) -> Iterator[Problem]:
    """Yields a problem for each refused key in the JSON files of a model's folder."""
    for name in JSON_FILES:
        if (folder / name).is_file():
            yield from check_json(folder / name)


def check_json(path: Path) -> Iterator[Problem]:
    """Yields a problem for each refused key in a JSON file, at any depth."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield Problem(
            "model.unreadable", str(path), "a JSON file", str(error), "get the model again"
        )
        return
    if not isinstance(content, dict):
        yield Problem(
            "model.unreadable",
            str(path),
            "a JSON object",
            type(content).__name__,
            "get the model again",
        )
        return
    for key, value, reason in _refused(content):
        yield Problem(
            "model.unsafe_config",
            f"{path}: {key}",
            "a model that needs no code of its own",
            f"{shorten(value, 60)}: {reason}",
            "use another model, or remove the key if you know that it isn't needed",
        )


def weight_files(folder: Path) -> list[Path]:
    """Returns the safetensors files that transformers would load, in order."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return [folder / name for name in sorted(names)]
    return [folder / "model.safetensors"]


def _refused(content: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    if isinstance(content, dict):
        for key, value in content.items():
            place = f"{path}.{key}" if path else str(key)
            if str(key).startswith(REFUSED_PREFIX):
                yield place, value, "it can name code on a hub"
            elif key in REFUSED_KEYS and value:
                yield place, value, REFUSED_KEYS[key]
            else:
                yield from _refused(value, place)
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _refused(value, f"{path}[{number}]")


def _check_weights(folder: Path) -> Iterator[Problem]:
    try:
        files = weight_files(folder)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        yield Problem(
            "model.unreadable",
            str(folder / "model.safetensors.index.json"),
            "an index of weight files",
            repr(error),
            "get the model again",
        )
        return
    outside = [file for file in files if file.resolve().parent != folder.resolve()]
    if outside:
        # a snapshot of the hub's cache is made of links into a sibling folder
        outside = [file for file in outside if not file.is_symlink()]
    missing = [file.name for file in files if not file.is_file()]
    if outside:
        yield Problem(
            "model.unsafe_weights",
            str(folder),
            "weight files inside the folder",
            ", ".join(str(file) for file in outside),
            "use another model",
        )
    if missing:
        pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
        yield Problem(
            "model.unsafe_weights" if pickles else "model.no_weights",
            str(folder),
            "weights in safetensors files",
            f"only {', '.join(pickles)}" if pickles else f"no {', '.join(missing)}",
            "convert the weights to safetensors, since pickled ones can run code when read"
            if pickles
            else "get the model again",
        )


def _check_hashes(folder: Path, sha256: Mapping[str, str]) -> Iterator[Problem]:
    for name, expected in sha256.items():
        path = folder / name
        found = file_sha256(path) if path.is_file() else "no such file"
        if found != expected:
            yield Problem(
                "model.hash",
                str(path),
                f"sha256 {expected}",
                found,
                "the file was changed or damaged: reinstall the package it came with",
            )


def _not_a_model(folder: Path) -> Problem:
    near = sorted(
        child.name
        for child in (folder if folder.is_dir() else folder.parent).glob("*")
        if (child / "config.json").is_file()
    )
    return Problem(
        "model.missing",
        str(folder),
        "a folder with config.json and model.safetensors",
        "a folder without config.json" if folder.is_dir() else "no such folder",
        f"folders with a model beside it: {', '.join(near)}" if near else "check the path",
    )
