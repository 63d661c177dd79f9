"""What happens on a worker: one attempt in a slot, its files, and orders that come meanwhile.

The task announces itself and waits until its owner says go, who has by then brought the files and
knows where the attempt is. Orders come as remote calls beside the task, which holds the only slot.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.core import Status

from tunebook_plugins.executors import guard

LOOK_SECONDS = 0.5


@dataclass
class Desk:
    """An attempt that is on this worker.

    Attributes:
        folder: Where its files lie here.
        own: Whether the folder was made for it and goes with it.
        orders: What was told before the command began.
    """

    folder: Path
    own: bool
    go: threading.Event = field(default_factory=threading.Event)
    orders: list[str] = field(default_factory=list)
    refused: bool = False
    process: subprocess.Popen[str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


DESKS: dict[str, Desk] = {}
"""By token, the attempts of this process."""

UNWANTED: set[str] = set()
"""Tokens that were refused before their attempts came here."""


def carry_out(job: Mapping[str, Any]) -> dict[str, Any]:
    """Carries out an attempt: the one task of a slot.

    Args:
        job: `token`, `topic`, `command`, `folder`, `cwd`, `environment`, `threads`, `shared` and
            `patience`, as `impl.job_of` makes it.

    Returns:
        `status` and `said` of the command; where files are shipped, `files` as well, by path with
        size and checksum. `trouble` instead, where it did not begin.
    """
    token, worker = job["token"], get_worker()
    if job["shared"] and not Path(job["folder"]).is_dir():
        return {"trouble": f"{worker.address} doesn't see {job['folder']}: set `shared: false`"}
    desk = DESKS[token] = _desk(job)
    fetched_later = False
    try:
        worker.log_event(job["topic"], {"token": token, "worker": worker.address})
        if token in UNWANTED or not desk.go.wait(job["patience"]) or desk.refused:
            return {"trouble": "nobody said go"}
        told = _run(job, desk)
        if not job["shared"] and "status" in told:
            told["files"], fetched_later = manifest(desk.folder), True
        return told
    finally:
        if not fetched_later:
            discard(token)


def _desk(job: Mapping[str, Any]) -> Desk:
    if job["shared"]:
        return Desk(Path(job["folder"]), own=False)
    place = tempfile.mkdtemp(prefix="tunebook-", dir=get_worker().local_directory)
    folder = Path(place) / Path(job["folder"]).name
    folder.mkdir()
    return Desk(folder, own=True)


def _run(job: Mapping[str, Any], desk: Desk) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, "-P", guard.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with desk.lock:
        desk.process = process
        process.stdin.write(json.dumps(_command(job, desk.folder)) + "\n")
        for order in desk.orders:
            process.stdin.write(f"{order}\n")
        process.stdin.flush()
    worker = get_worker()
    watched = (process, worker, worker.get_current_task(), job["token"])
    threading.Thread(target=_while_wanted, args=watched, daemon=True).start()
    answer = process.stdout.read()
    process.wait()
    if not answer:
        return {"trouble": "its guard was killed"}
    told: dict[str, Any] = json.loads(answer)
    return told


def _while_wanted(process: subprocess.Popen[str], worker: Any, task: str, token: str) -> None:
    """Ends an attempt that the scheduler has let go of, as it does when the owner is gone."""
    while process.poll() is None:
        time.sleep(LOOK_SECONDS)
        state = worker.state.tasks.get(task)
        held = state is not None and state.state in ("executing", "long-running")
        if not held or worker.status not in (Status.running, Status.paused):
            order(token, "kill")


def _command(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns what the guard is to run; the folder's path is that of this machine."""

    def here(text: str) -> str:
        return text.replace(job["folder"], str(folder))

    threads = dict.fromkeys(guard.THREADS, str(job["threads"]))
    given = {name: here(value) for name, value in job["environment"].items()}
    return {
        "command": [sys.executable, *map(here, job["command"])],
        "cwd": job["cwd"] if Path(job["cwd"]).is_dir() else str(folder),
        "environment": {**os.environ, **threads, **given},
    }


# remote calls


def introduce() -> dict[str, Any]:
    """Says what this worker is."""
    cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    return {"cores": len(cores), "python": sys.version_info[:2]}


def order(token: str, word: str) -> None:
    """Passes `go`, `refuse`, `stop` or `kill` on to an attempt."""
    desk = DESKS.get(token)
    if desk is None:
        if word == "refuse":
            UNWANTED.add(token)
        return
    if word in ("go", "refuse"):
        desk.refused = word == "refuse"
        desk.go.set()
        return
    with desk.lock:
        desk.orders.append(word)
        if desk.process is not None and desk.process.stdin is not None:
            with suppress(OSError):
                desk.process.stdin.write(f"{word}\n")
                desk.process.stdin.flush()


def put_piece(token: str, path: str, offset: int, piece: bytes) -> None:
    """Writes a piece of a file that is shipped here; an empty one makes an empty file."""
    target = DESKS[token].folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(piece)


def get_piece(token: str, path: str, offset: int, size: int) -> bytes:
    """Reads a piece of a file that is shipped back."""
    with (DESKS[token].folder / path).open("rb") as file:
        file.seek(offset)
        return file.read(size)


def discard(token: str) -> None:
    """Removes what an attempt has left on this worker, after its files were fetched."""
    desk = DESKS.pop(token, None)
    if desk is not None and desk.own:
        shutil.rmtree(desk.folder.parent, ignore_errors=True)


def manifest(folder: Path) -> dict[str, tuple[int, str]]:
    """Returns size and checksum of every file below `folder`, by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, checksum(path)) for path in paths
    }


def checksum(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
