"""Features of a frozen backbone, computed once and kept on disk under a fingerprint."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tunebook.cache import cache_folder, file_sha256


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Returns a hash of everything that the features depend on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cached_features(
    key: str, compute: Callable[[], np.ndarray], folder: Path | None = None
) -> tuple[np.ndarray, bool]:
    """Returns features, memory-mapped, and whether they came from the cache.

    A damaged entry is computed again, never served. A cache that cannot be written to costs the
    time of computing, not the run.

    Args:
        key: Fingerprint of all that the features depend on.
        compute: Makes them, shape (n, h), float32.
        folder: Where entries lie; the user's cache when None.
    """
    folder = folder or cache_folder("features")
    path, checksum = folder / f"{key}.npy", folder / f"{key}.sha256"
    if _intact(path, checksum):
        return np.load(path, mmap_mode="r", allow_pickle=False), True
    features = compute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _store(path, checksum, features)
    except OSError:
        return features, False
    return np.load(path, mmap_mode="r", allow_pickle=False), False


def _intact(path: Path, checksum: Path) -> bool:
    try:
        return checksum.read_text() == file_sha256(path)
    except OSError:
        return False


def _store(path: Path, checksum: Path, features: np.ndarray) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            np.save(file, features, allow_pickle=False)
        digest = file_sha256(temporary)
        temporary.replace(path)
        temporary.write_text(digest)
        temporary.replace(checksum)
    finally:
        temporary.unlink(missing_ok=True)
