"""Who works on a run now: a file beside it that names a process, so that nobody else starts it.

A process id alone says nothing: it may have been given to another process since, or be one of
another machine. So the file also holds when the process began and on what machine, and its owner
touches it now and then for those who cannot see the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tunebook.errors import ConfigError, Problem
from tunebook.records import write_atomically

RUNS, LAUNCHES, STARTS = ".running.json", ".launched.json", ".starting.json"
"""Names of the files: of the process that runs the case, of the one that has launched it, and of
one that has been started to launch it."""

AUDITIONS = ".audition.json"
"""Name of the file of the process that carries an audition out."""

DETACHED = ".detached.json"
"""Name of the file that remembers a process that was started apart, which may be signalled."""

BEAT_SECONDS = 20.0
SILENT_SECONDS = 120.0
"""After so long without a beat an owner on another machine is taken for dead."""


@contextlib.contextmanager
def owned(folder: Path, name: str) -> Iterator[None]:
    """Owns a run, or an audition, for the while.

    Args:
        folder: Where it lies.
        name: `RUNS`, `LAUNCHES` or `AUDITIONS`.

    Raises:
        ConfigError: Somebody else owns it.
        MachineError: The folder cannot be written to.
    """
    path = folder / name
    _take(path)
    _leave(folder / STARTS)  # what was started has begun
    ended = threading.Event()
    threading.Thread(target=_beat, args=(path, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        _leave(path)


@contextlib.contextmanager
def starting(folder: Path) -> Iterator[Callable[[int], None]]:
    """Owns a run until the process that is to work on it has been started.

    Yields:
        What hands the run over to a process, by its id; that process owns it until it begins, see
        `owned`, or has died.

    Raises:
        ConfigError: Somebody works on the run.
        MachineError: The folder cannot be written to.
    """
    path = folder / STARTS
    _take(path)

    def hand_over(pid: int) -> None:
        for each in (folder / DETACHED, path):
            write_atomically(each, json.dumps(_process(pid)))

    try:
        check_free(folder)
        yield hand_over
    finally:
        _leave(path)


def owner(folder: Path) -> dict[str, Any] | None:
    """Returns who works on a run, None where nobody does any more.

    A process that was started to work on it and asks here is told that nobody does yet.
    """
    return _living(folder, RUNS) or _living(folder, LAUNCHES) or _to_begin(folder)


def is_starting(folder: Path) -> bool:
    """Whether a run waits for a process that has been started and doesn't work on it yet."""
    begun = _living(folder, RUNS) or _living(folder, LAUNCHES)
    return not begun and _to_begin(folder) is not None


def is_launched(folder: Path) -> bool:
    """Whether the process that has launched a run lives, which has the last word on it."""
    return is_owned(folder, LAUNCHES)


def is_owned(folder: Path, name: str) -> bool:
    """Whether the process lives that owns a folder under this name, see `owned`."""
    return _living(folder, name) is not None


def end_detached(folder: Path) -> bool:
    """Asks the process that was started apart for a run to end; False where it isn't there."""
    who = _living(folder, DETACHED)
    if who is None or who.get("machine") != _machine():
        return False
    try:
        os.kill(int(who["pid"]), signal.SIGTERM)
    except OSError:
        return False
    return True


def check_free(folder: Path) -> None:
    """Raises ConfigError where somebody works on a run."""
    who = owner(folder)
    if who is not None:
        raise ConfigError(_taken(folder, who))


def last_beat(folder: Path) -> float | None:
    """Returns when the process that ran a case was last seen, where it has left its file."""
    try:
        return (folder / RUNS).stat().st_mtime
    except OSError:
        return None


def _living(folder: Path, name: str) -> dict[str, Any] | None:
    who = _read(folder / name)
    return who if who and _lives(folder / name, who) else None


def _to_begin(folder: Path) -> dict[str, Any] | None:
    who = _living(folder, STARTS)
    return None if who == _self() else who


def _leave(path: Path) -> None:
    """Removes a file that names this process."""
    with contextlib.suppress(OSError):
        if _read(path) == _self():
            path.unlink()


def _take(path: Path) -> None:
    mine = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    write_atomically(mine, json.dumps(_self()))
    try:
        while not _put(mine, path):
            who = _read(path)
            if who is not None and _lives(path, who):
                raise ConfigError(_taken(path.parent, who))
            _set_aside(path, who)
    finally:
        mine.unlink(missing_ok=True)


def _put(mine: Path, path: Path) -> bool:
    """Gives a file the name that only one can have; False where it is taken."""
    try:
        os.link(mine, path)
    except FileExistsError:
        return False
    except OSError:  # not every file system has links
        try:
            with path.open("xb") as file:
                file.write(mine.read_bytes())
        except FileExistsError:
            return False
    return True


def _set_aside(path: Path, who: dict[str, Any] | None) -> None:
    """Removes the file of a dead owner, and of no other who has come in between."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if _read(aside) != who:
            _put(aside, path)
        aside.unlink()


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(path)


def _lives(path: Path, who: dict[str, Any]) -> bool:
    """Whether an owner is there: as a process of this machine, or by its beats from another."""
    if who.get("machine") == _machine():
        pid = who.get("pid")
        return isinstance(pid, int) and who.get("began") == _began(pid)
    now = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        # by the clock of the file system, since those of machines differ
        now.touch()
        return now.stat().st_mtime - path.stat().st_mtime < SILENT_SECONDS
    except OSError:
        return path.exists()
    finally:
        with contextlib.suppress(OSError):
            now.unlink(missing_ok=True)


def _self() -> dict[str, Any]:
    return _process(os.getpid())


def _process(pid: int) -> dict[str, Any]:
    return {"pid": pid, "began": _began(pid), "machine": _machine()}


def _began(pid: int) -> float | None:
    """Returns when a process began; None where there is none, or only its remains."""
    try:
        # after the name, which may hold anything: state, and 19 fields on the start in ticks
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else float(fields[19])
    except (OSError, IndexError, ValueError):
        return None if Path("/proc/self/stat").exists() else _began_elsewhere(pid)


def _began_elsewhere(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time())
    except psutil.Error:
        return None


def _machine() -> str:
    """Returns what tells machines, and their restarts, apart without naming them."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return _hash(f"{socket.gethostname()} {boot}")
    return _hash(socket.gethostname())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return who if isinstance(who, dict) and who.keys() >= {"pid", "began", "machine"} else None


def _taken(folder: Path, who: dict[str, Any]) -> Problem:
    here = who.get("machine") == _machine()
    place = f"process {who.get('pid')}" if here else "a process of another machine"
    return Problem(
        "run.still_running",
        str(folder),
        "a run that nobody works on",
        f"{place} does",
        "wait for its end, or stop it first",
    )
