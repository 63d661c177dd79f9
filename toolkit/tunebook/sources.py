"""Hashes of code: what a result was made by, more exactly than a version says it."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


@lru_cache
def source_sha256(module: str) -> str:
    """Returns the SHA-256 over the Python files of a package, or over the file of a module.

    Nothing but the package above it is imported. Code without a file, such as that of a notebook's
    cell, has none: the text is empty then.
    """
    place = place_of(module)
    if place is None:
        return ""
    if place.is_file():
        return content_sha256(place.read_bytes())
    files = sorted(place.rglob("*.py"))
    return _sha256((file.relative_to(place).as_posix(), file.read_bytes()) for file in files)


def content_sha256(content: bytes) -> str:
    """Returns the SHA-256 of a module with this text, wherever its file lies."""
    return _sha256([("", content)])


def _sha256(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def home_package(module: str) -> str:
    """Returns what the code of a module is part of: its topmost package that is no mere namespace.

    The parts of `tunebook_plugins` share code, so that one of them alone says too little.
    """
    parts = module.split(".")
    names = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    return next((name for name in names if place_of(name) is not None), module)


def place_of(module: str) -> Path | None:
    """Returns the folder of a package or the file of a module; None where there is neither."""
    loaded = sys.modules.get(module)
    try:
        spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations is not None else origin
