"""Where tunebook keeps what takes long to make, how much of it, and whether that is still whole."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from pathlib import Path

from tunebook.errors import ConfigError, Problem

LIMIT = "TUNEBOOK_CACHE_LIMIT_GB"
SHARE_OF_DISK = 0.25
"""Of what is free, or would be without the cache; the default bound, up to `MOST_BYTES`."""
MOST_BYTES = 50 * 2**30


def cache_root() -> Path:
    """Returns tunebook's cache: `TUNEBOOK_CACHE`, else a folder in the user's cache."""
    return Path(os.environ.get("TUNEBOOK_CACHE") or Path.home() / ".cache" / "tunebook")


def cache_folder(name: str) -> Path:
    """Returns a folder of tunebook's cache."""
    return cache_root() / name


def limit_given() -> int | None:
    """Returns how many bytes the cache may hold by the environment; None where it says nothing.

    Raises:
        ConfigError: The variable is no number of gigabytes.
    """
    text = os.environ.get(LIMIT, "").strip()
    if not text:
        return None
    try:
        gigabytes = float(text)
        if not 0 <= gigabytes < math.inf:
            raise ValueError(text)
    except ValueError as error:
        expected = "a number of gigabytes, 0 to keep nothing"
        fix = "write 20 or 0.5, or leave it unset: a quarter of the free disk, at most 50"
        raise ConfigError(Problem("cache.limit", LIMIT, expected, f"`{text}`", fix)) from error
    return int(gigabytes * 2**30)


def default_limit(root: Path, held: int) -> int:
    """Returns how many bytes the cache may hold by default.

    Args:
        root: Its folder, which need not be there yet.
        held: Bytes in it already.
    """
    place = next((each for each in (root, *root.absolute().parents) if each.is_dir()), None)
    free = shutil.disk_usage(place).free if place else 0
    return min(MOST_BYTES, int(SHARE_OF_DISK * (free + held)))


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
