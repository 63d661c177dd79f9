"""Making a thing once: whoever asks first computes it, others wait and read what was kept."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tunebook.cache.entries import VERSION, Entry, Hold, Manifest
from tunebook.cache.places import cache_root, file_sha256, limit_given
from tunebook.cache.room import discard, make_room, sweep

if TYPE_CHECKING:
    from filelock import BaseFileLock

T = TypeVar("T")

PATIENCE = 3600.0
"""Seconds to wait for another process before computing the same beside it."""
MANIFEST_BYTES = 4096


class Form(Protocol[T]):
    """How a value lies in the folder of an entry."""

    def size(self, value: T) -> int:
        """Returns how many bytes it will take, about."""
        ...

    def write(self, value: T, folder: Path) -> None:
        """Writes it into an empty folder."""
        ...

    def read(self, folder: Path, hold: Hold) -> T:
        """Returns it; what stays mapped to a file is to be told to `hold`."""
        ...


@dataclass(frozen=True)
class Kept(Generic[T]):
    """A value, and where it came from.

    Attributes:
        reused: Whether it was read, not computed.
        made: When it was computed, seconds since the epoch.
        seconds: How long that took, then.
        lost: Why it could not be kept; empty where it was.
    """

    value: T
    key: str
    reused: bool
    made: float
    seconds: float
    lost: str = ""


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of everything that a thing depends on, in JSON types."""
    text = json.dumps({"entry": VERSION, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """Entries below a folder.

    Args:
        root: The folder; tunebook's cache when None.
        limit: Bytes that it may hold, 0 for nothing; `TUNEBOOK_CACHE_LIMIT_GB`, or a share of the
            free disk, when None.
    """

    def __init__(self, root: Path | None = None, limit: int | None = None) -> None:
        self.root = root or cache_root()
        self.limit = limit_given() if limit is None else limit

    def get(
        self,
        kind: str,
        what: str,
        parts: Mapping[str, Any],
        compute: Callable[[], T],
        form: Form[T],
        *,
        on_wait: Callable[[], object] = lambda: None,
    ) -> Kept[T]:
        """Returns a thing from the cache, or computes and keeps it.

        A damaged entry is computed again, never served. One process computes; others that want the
        same wait, and go on by themselves if that one dies. A cache that cannot be written to
        costs the time of computing and nothing else.

        Args:
            kind: Such as ``features``.
            what: The thing in a few words, for people.
            parts: All that it depends on, in JSON types.
            compute: Makes it. What it raises is passed on.
            form: How it is written and read.
            on_wait: Called when another process is found computing it.
        """
        entry = Entry.at(self.root, kind, fingerprint(parts))
        if self.limit == 0:
            return _computed(entry, compute, "nothing is to be kept")
        found = _read(entry, form)
        if found is not None:
            return found
        lock, why = _lock(entry, on_wait)
        try:
            if lock is not None:
                found = _read(entry, form)  # the one that was waited for
                if found is not None:
                    return found
            fresh = _computed(entry, compute, why)
            return fresh if lock is None else self._keep(entry, what, parts, fresh, form)
        finally:
            if lock is not None:
                lock.release()

    def _keep(
        self, entry: Entry, what: str, parts: Mapping[str, Any], fresh: Kept[T], form: Form[T]
    ) -> Kept[T]:
        """Writes what was computed; the lock is held. Returns it as it now lies on disk."""
        place, hold = entry.neighbour(secrets.token_hex(4)), None
        try:
            sweep(entry)
            lost = make_room(self.root, self.limit, form.size(fresh.value) + MANIFEST_BYTES)
            if lost:
                return replace(fresh, lost=lost)
            place.mkdir()
            form.write(fresh.value, place)
            _manifest(entry, place, what, parts, fresh).write(place)
            hold = Hold.take(place)  # before others can see it, so that nobody throws it away
            discard(entry)
            place.rename(entry.folder)
            make_room(self.root, self.limit)  # others may have kept something in the meantime
            return replace(fresh, value=form.read(entry.folder, hold)) if hold else fresh
        except OSError as error:
            return replace(fresh, lost=error.strerror or str(error))
        finally:
            if hold is not None:
                hold.release()
            shutil.rmtree(place, ignore_errors=True)


def _read(entry: Entry, form: Form[T]) -> Kept[T] | None:
    """Returns what an entry holds; None where there is none, or not a whole one."""
    hold = Hold.take(entry.folder)
    if hold is None:
        return None
    try:
        manifest = hold.manifest()
        if manifest is None or not entry.whole(manifest):
            return None
        value = form.read(entry.folder, hold)
        hold.touch()
        return Kept(value, entry.key, True, manifest.made, manifest.seconds)
    except OSError:  # another process has just thrown it away
        return None
    finally:
        hold.release()


def _computed(entry: Entry, compute: Callable[[], T], lost: str) -> Kept[T]:
    made, started = time.time(), time.perf_counter()
    value = compute()
    return Kept(value, entry.key, False, made, time.perf_counter() - started, lost)


def _manifest(
    entry: Entry, place: Path, what: str, parts: Mapping[str, Any], fresh: Kept[Any]
) -> Manifest:
    files = {
        file.name: (file_sha256(file), file.stat().st_size) for file in sorted(place.iterdir())
    }
    return Manifest(entry.kind, entry.key, what, fresh.made, fresh.seconds, files, parts)


def _lock(entry: Entry, on_wait: Callable[[], object]) -> tuple[BaseFileLock | None, str]:
    """Returns the right to make an entry; or None, and why there is no such right."""
    from filelock import FileLock, Timeout

    try:
        entry.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(entry.lock_file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire(timeout=PATIENCE)
        return lock, ""
    except Timeout:
        return None, "another process has been computing it for too long"
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        return None, getattr(error, "strerror", None) or str(error)
