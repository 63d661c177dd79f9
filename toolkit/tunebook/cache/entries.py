"""One entry of the cache: a folder of files with a manifest that says what they are.

An entry is `KIND/KEY/` with `entry.json` beside its files. It comes into being by the rename of a
whole folder, so that there is never half of one; what a power failure leaves of a file is found
out by its checksum. Whoever uses an entry holds a shared lock (flock) on its manifest, which the
system gives back when the process dies, however it dies.

On NFS such locks work between machines where the server supports them. Where locks fail
altogether, entries are still read and written safely, but none is ever thrown away for room.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunebook.cache.places import file_sha256

MANIFEST = "entry.json"
VERSION = 1
"""Rises when the layout of an entry changes; part of its key, so that versions don't meet."""
KEY = re.compile("[0-9a-f]{64}")
LOOKS, LOOK_SECONDS = 20, 0.01

_verified: dict[tuple[str, int, int, int, int], str] = {}
"""Checksums that this process has computed itself, by path and state of the file."""


@dataclass(frozen=True)
class Manifest:
    """What an entry is.

    Attributes:
        key: Fingerprint of everything that the content depends on.
        what: The content in a few words.
        made: When it was made, seconds since the epoch.
        seconds: How long that took.
        files: SHA-256 and size of each file, by name.
        parts: What the key was made of.
    """

    kind: str
    key: str
    what: str
    made: float
    seconds: float
    files: Mapping[str, tuple[str, int]]
    parts: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        content = asdict(self)
        text = json.dumps({"sha256": _digest(content), **content}, indent=2)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def parse(cls, text: str | bytes) -> Manifest | None:
        """Returns a manifest; None where a byte of it isn't as it was written."""
        try:
            content = json.loads(text)
            whole = content.pop("sha256") == _digest(content)
            files = {name: (str(each[0]), int(each[1])) for name, each in content["files"].items()}
            return cls(**content | {"files": files}) if whole else None
        except (ValueError, LookupError, TypeError, AttributeError):
            return None

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files.values())


class Hold:
    """Tells other processes that an entry is in use, until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Hold | None:
        """Returns a hold on the entry in `folder`; None where there is none, or it is leaving."""
        path = folder / MANIFEST
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            _share(descriptor)
            if not os.path.samestat(os.fstat(descriptor), path.stat()):
                raise _LeavingError
        except (_LeavingError, OSError):
            os.close(descriptor)
            return None
        return cls(descriptor)

    def manifest(self) -> Manifest | None:
        """Returns the manifest of the very entry that is held."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            return Manifest.parse(file.read())

    def touch(self) -> None:
        """Notes that the entry was used now; a cache that may only be read goes without."""
        with suppress(OSError):
            os.utime(self._descriptor)

    def until_freed(self, owner: object) -> None:
        """Holds on for as long as `owner` lives, whatever becomes of this hold."""
        weakref.finalize(owner, os.close, os.dup(self._descriptor))

    def release(self) -> None:
        os.close(self._descriptor)


class _LeavingError(Exception):
    """The entry is being thrown away."""


def _share(descriptor: int) -> None:
    """Takes the shared lock; one who only looks whether it is held blocks it for a moment."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        except OSError:  # no locks on this file system: nothing leaves there either
            return
    raise _LeavingError


@dataclass(frozen=True)
class Entry:
    """The place of an entry, whether there is one or not."""

    folder: Path

    @classmethod
    def at(cls, root: Path, kind: str, key: str) -> Entry:
        return cls(root / kind / key)

    @property
    def kind(self) -> str:
        return self.folder.parent.name

    @property
    def key(self) -> str:
        return self.folder.name

    @property
    def lock_file(self) -> Path:
        """Locked by who makes the entry."""
        return self.folder.with_name(f"{self.key}.lock")

    def neighbour(self, token: str) -> Path:
        """Returns where the entry lies while it is made or thrown away."""
        return self.folder.with_name(f".{self.key}.{token}")

    def whole(self, manifest: Manifest, *, anew: bool = False) -> bool:
        """Whether every file is what its maker wrote.

        Hashing costs about a second for each GB, so a process does it once for a file that stays
        as it was; `anew` hashes in any case.
        """
        named = (manifest.kind, manifest.key) == (self.kind, self.key)
        return named and all(
            self._hash(name, size, anew=anew) == digest
            for name, (digest, size) in manifest.files.items()
        )

    def _hash(self, name: str, size: int, *, anew: bool) -> str:
        path = self.folder / name
        try:
            state = path.stat()
            if state.st_size != size:
                return ""
            key = (str(path), state.st_ino, size, state.st_mtime_ns, state.st_ctime_ns)
            if anew or key not in _verified:
                _verified[key] = file_sha256(path)
            return _verified[key]
        except OSError:
            return ""


def is_key(name: str) -> bool:
    """Whether a name is that of an entry."""
    return KEY.fullmatch(name) is not None


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
