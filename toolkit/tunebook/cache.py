"""Where tunebook keeps what takes long to make, and how it sees whether that is still whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Returns a folder of tunebook's cache: below `TUNEBOOK_CACHE`, else the user's cache."""
    root = os.environ.get("TUNEBOOK_CACHE") or Path.home() / ".cache" / "tunebook"
    return Path(root) / name


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
