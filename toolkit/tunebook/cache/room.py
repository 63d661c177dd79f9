"""What is in the cache, and how it stays within its bound."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tunebook.cache.entries import MANIFEST, Entry, Hold, Manifest, is_key
from tunebook.cache.places import default_limit

LEFTOVER = re.compile(r"\.([0-9a-f]{64})\.[0-9a-f]{8}")
"""Half an entry, that a killed process was making or throwing away."""


@dataclass(frozen=True)
class Item:
    """Something in the cache that takes room.

    Attributes:
        path: Where it lies.
        entry: Which entry it is, or was to become.
        bytes: On disk.
        used: When it was last read or made, seconds since the epoch.
    """

    path: Path
    entry: Entry
    bytes: int
    used: float

    @property
    def leftover(self) -> bool:
        return self.path != self.entry.folder

    @cached_property
    def manifest(self) -> Manifest | None:
        """What it is; None for a leftover, and where the manifest is damaged or missing."""
        hold = None if self.leftover else Hold.take(self.path)
        if hold is None:
            return None
        try:
            return hold.manifest()
        finally:
            hold.release()

    @property
    def in_use(self) -> bool:
        """Whether a process reads it now, or makes it."""
        if self.leftover:
            return not _lockable(self.entry)
        descriptor = _claim(self.path)
        if descriptor is None:
            return (self.path / MANIFEST).exists()
        os.close(descriptor)
        return False


def contents(root: Path) -> list[Item]:
    """Returns what is in the cache, the longest unused first. Only what has the name of an entry
    counts; links are not followed."""
    return sorted(_items(root), key=lambda item: (item.used, item.path.name))


def held_bytes(items: list[Item]) -> int:
    """Returns how much room things take together."""
    return sum(item.bytes for item in items)


def remove(item: Item) -> bool:
    """Throws something away, unless a process uses it; whether that was done.

    It is not, either, in a cache that may only be read.
    """
    try:
        gone = _swept(item.entry) if item.leftover else _throw_away(item.entry)
        if gone:
            _drop_lock(item.entry)
        return gone
    except OSError:
        return False


def make_room(root: Path, limit: int | None, wanted: int = 0) -> str:
    """Throws away what was not used for longest, until `wanted` bytes more are within the bound.

    Args:
        root: Folder of the cache.
        limit: Bytes that it may hold; a share of the free disk when None.
        wanted: Bytes that are to come.

    Returns:
        Why that isn't possible; empty when there is room.
    """
    items = contents(root)
    held = held_bytes(items)
    bound = default_limit(root, held) if limit is None else limit
    if wanted > bound:
        return f"it takes {wanted / 2**30:.2f} GB, and the cache may hold {bound / 2**30:.2f}"
    for item in sorted(items, key=lambda item: not item.leftover):
        if held + wanted <= bound:
            return ""
        held -= item.bytes * remove(item)
    return "" if held + wanted <= bound else "all that the cache holds is in use"


def sweep(entry: Entry) -> None:
    """Removes what killed processes have left of an entry; the caller has its lock."""
    for path in entry.folder.parent.glob(f".{entry.key}.*"):
        if LEFTOVER.fullmatch(path.name):
            _delete(path)


def discard(entry: Entry) -> None:
    """Takes an entry out of sight at once, then deletes it."""
    out_of_sight = entry.neighbour(secrets.token_hex(4))
    with suppress(FileNotFoundError):
        entry.folder.rename(out_of_sight)
        _delete(out_of_sight)


def _items(root: Path) -> Iterator[Item]:
    for kind in _folders(root):
        for path in _folders(kind):
            found = LEFTOVER.fullmatch(path.name)
            key = found[1] if found else path.name
            if is_key(key):
                entry = Entry(kind / key)
                yield Item(path, entry, _bytes_in(path), _used(path))


def _folders(place: Path) -> list[Path]:
    """Returns the folders in a place, links left out; none where it cannot be read."""
    try:
        with os.scandir(place) as found:
            return [Path(each.path) for each in found if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _bytes_in(folder: Path) -> int:
    total = 0
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            with suppress(OSError):
                total += file.stat(follow_symlinks=False).st_size
    return total


def _used(folder: Path) -> float:
    for path in (folder / MANIFEST, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _swept(entry: Entry) -> bool:
    free = _lockable(entry)
    if free:
        sweep(entry)
    return free


def _throw_away(entry: Entry) -> bool:
    descriptor = _claim(entry.folder)
    if descriptor is None and (entry.folder / MANIFEST).exists():
        return False
    try:
        discard(entry)
        return True
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _claim(folder: Path) -> int | None:
    """Returns a descriptor that keeps others from taking hold of an entry; None if one has."""
    try:
        descriptor = os.open(folder / MANIFEST, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    except OSError:
        os.close(descriptor)
        return None


def _lockable(entry: Entry) -> bool:
    """Whether nobody is making an entry."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(entry.lock_file, timeout=0):
            return True
    except (Timeout, OSError, NotImplementedError):
        return False


def _drop_lock(entry: Entry) -> None:
    """Removes the lock file of an entry that is gone. Who waits for it meanwhile may compute
    beside a third; that costs time, and the last one's entry stays."""
    if _lockable(entry):
        entry.lock_file.unlink(missing_ok=True)


def _delete(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except NotADirectoryError:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
