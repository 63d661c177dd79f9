"""Starting a run once, however often that is asked for: an agent whose call was cut off asks again.

A key of the caller's own choice stands for the run that it asked for. The first call starts it, and
every later one is told of it, whatever has become of it since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tunebook.errors import ConfigError, MachineError, Problem, shorten
from tunebook.records import RunDirectory, write_atomically, write_problem

FOLDER = ".once"
"""Of a runs folder: a file for each key."""
PATIENCE = 60.0
"""Seconds to wait for another who has just asked with the same key."""


def start_once(
    key: str, asked: Mapping[str, Any], runs_dir: Path, start: Callable[[], RunDirectory]
) -> tuple[RunDirectory, bool]:
    """Returns the run of a key, and whether it was started now.

    Args:
        key: What the caller calls its wish.
        asked: What it asks for, in JSON types; the same key can't stand for something else.
        runs_dir: Where runs lie.
        start: Starts the run.

    Raises:
        ConfigError: The key stands for another wish.
        MachineError: The folder can't be written to.
    """
    folder = runs_dir / FOLDER
    name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    file = folder / f"{name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock", timeout=PATIENCE):
            earlier = _earlier(file, key, asked)
            if earlier is not None:
                return earlier, False
            run = start()
            content = {"key": key, "asked": dict(asked), "run": str(run.path)}
            write_atomically(file, json.dumps(content, indent=1) + "\n")
            return run, True
    except OSError as error:
        found = Timeout if isinstance(error, Timeout) else None
        raise MachineError(_busy(key) if found else write_problem(folder, error)) from error


def _earlier(file: Path, key: str, asked: Mapping[str, Any]) -> RunDirectory | None:
    """Returns the run that a key stands for, None where there is none or it has been removed."""
    content: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        content = json.loads(file.read_text(encoding="utf-8"))
    run = RunDirectory(Path(content.get("run", "")))
    if not content or not run.record_file.exists():
        return None
    if content["asked"] != json.loads(json.dumps(dict(asked))):
        expected = f"what `{shorten(key, 60)}` stands for: {shorten(content['asked'], 300)}"
        fix = f"take another key for another run; that one is {run.run_id}"
        problem = Problem("once.other_wish", "--once", expected, shorten(dict(asked), 300), fix)
        raise ConfigError(problem)
    return run


def _busy(key: str) -> Problem:
    found = f"somebody has been starting `{shorten(key, 60)}` for {PATIENCE:g} s"
    return Problem("once.busy", "--once", "the key to be free", found, "ask again")
