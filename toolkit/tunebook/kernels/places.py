"""Where the servers of a user lie: sockets and locks in a folder that nobody else can enter."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER_VARIABLE = "TUNEBOOK_KERNELS_DIR"
KernelChoice = Literal["auto", "warm", "cold"]
LONGEST_SOCKET = 107
"""Bytes that a path of a unix socket may have."""


class NotWarm(Exception):
    """Why a warm kernel cannot be had. No mistake: a kernel is started as usual instead."""


def private_folder() -> Path:
    """Returns the folder of this user's servers, made where there is none.

    It is `TUNEBOOK_KERNELS_DIR`, else lies in `XDG_RUNTIME_DIR`, else in `/tmp`.

    Raises:
        NotWarm: It cannot be made, or another user could look into it.
    """
    path = _folder()
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        about = path.lstat()
    except OSError as error:
        raise NotWarm(f"{path}: {error.strerror}") from error
    if not stat.S_ISDIR(about.st_mode):
        raise NotWarm(f"{path} is not a folder")
    if about.st_uid != os.getuid():
        raise NotWarm(f"{path} belongs to another user")
    if about.st_mode & 0o077:
        raise NotWarm(f"{path} is open to other users (mode {stat.S_IMODE(about.st_mode):o})")
    return path


def _folder() -> Path:
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given).absolute()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and os.access(runtime, os.W_OK):
        return Path(runtime) / "tunebook-kernels"
    return Path(f"/tmp/tunebook-kernels-{os.getuid()}")  # short, and the same for all sessions


@dataclass(frozen=True)
class Place:
    """The files of one server."""

    folder: Path
    key: str

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.key}.sock"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.key}.log"

    @property
    def lock_file(self) -> Path:
        return self.folder / f"{self.key}.lock"

    def check_length(self) -> None:
        """Raises NotWarm where the socket's path is longer than the system takes."""
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET:
            raise NotWarm(f"{self.folder} is too long a path for a socket; set {FOLDER_VARIABLE}")

    def lock(self) -> int | None:
        """Returns a descriptor that holds the lock until it is closed, None where another does."""
        import fcntl  # not on Windows, where this is imported as well

        while True:
            file = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), self.lock_file.stat()):
                    return file
            except BlockingIOError:
                os.close(file)
                return None
            except FileNotFoundError:
                pass  # its holder has just ended and removed it
            os.close(file)

    def is_locked(self) -> bool:
        """Returns whether a server lives here, or is warming up."""
        import fcntl

        try:
            file = os.open(self.lock_file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def remove(self) -> None:
        """Removes the files; only the holder of the lock may."""
        for file in (self.socket, self.log, self.lock_file):
            file.unlink(missing_ok=True)

    def last_words(self) -> str:
        """Returns the last line of the log."""
        with suppress(OSError):
            lines = self.log.read_text("utf-8", "replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "no word")
        return "no word"


def places(folder: Path) -> Iterator[Place]:
    """Yields the places in a folder, whether or not a server lives there."""
    for file in sorted(folder.glob("*.lock")):
        yield Place(folder, file.stem)
