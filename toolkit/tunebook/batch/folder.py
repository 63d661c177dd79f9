"""A batch on disk: its plan, its log of changes, its runs. What is there survives anything."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunebook.batch.entry import Entry
from tunebook.batch.plan import entry_key, plan_id
from tunebook.batch.states import STATES, Board, Change
from tunebook.errors import ConfigError, MachineError, Problem, did_you_mean
from tunebook.records import BATCHES, PLUGINS, RunDirectory, write_atomically, write_problem

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class BatchPlanFile:
    """`plan.json`: what a batch is to do.

    Attributes:
        content: The plan as it was validated.
        entries: Every run that it has ever been asked for; what was added comes last.
        plugin_files: Single-file plugins that its runs load.
    """

    name: str
    content: Mapping[str, Any]
    entries: tuple[Entry, ...]
    plugin_files: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Stable id of the set of its runs."""
        return plan_id(entry.key for entry in self.entries)

    def to_json(self) -> str:
        """Returns it as JSON."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "id": self.id,
            "plan": self.content,
            "plugin_files": list(self.plugin_files),
            "entries": [
                {"key": e.key, "case": e.case, "parameters": dict(e.parameters)}
                for e in self.entries
            ],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class BatchFolder:
    """The folder of one batch and the names in it."""

    path: Path

    @property
    def batch_id(self) -> str:
        return self.path.name

    @property
    def plan_file(self) -> Path:
        return self.path / "plan.json"

    @property
    def log_file(self) -> Path:
        return self.path / "batch.jsonl"

    @property
    def lock_file(self) -> Path:
        return self.path / "driver.lock"

    @property
    def driver_file(self) -> Path:
        """Signs of life of the process that drives it."""
        return self.path / "driver.json"

    @property
    def plugins(self) -> Path:
        """Source of the plugins that were made in the session which began it."""
        return self.path / PLUGINS

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def runs_dir(self) -> Path:
        return self.path.parents[1]

    def read_plan(self) -> BatchPlanFile:
        """Returns the plan.

        Raises:
            ConfigError: It is damaged, of a newer tunebook, or was changed by hand.
        """
        try:
            content = json.loads(self.plan_file.read_text(encoding="utf-8"))
            newer = content["schema_version"] > SCHEMA_VERSION
            if newer:
                raise ConfigError(_newer(self.plan_file, content["schema_version"]))
            plan = BatchPlanFile(
                content["name"],
                content["plan"],
                tuple(
                    Entry(each["key"], each["case"], each["parameters"])
                    for each in content["entries"]
                ),
                tuple(content["plugin_files"]),
            )
            keys = [entry_key(each.case, each.parameters) for each in plan.entries]
            whole = content["id"] == plan.id and keys == [each.key for each in plan.entries]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                _damaged(self.plan_file, f"{type(error).__name__}: {error}")
            ) from error
        if not whole:
            raise ConfigError(_damaged(self.plan_file, "another plan, changed by hand"))
        return plan

    def write_plan(self, plan: BatchPlanFile) -> None:
        write_atomically(self.plan_file, plan.to_json())

    def board(self, plan: BatchPlanFile | None = None) -> Board:
        """Returns the entries with what the log says of them."""
        board = Board((plan or self.read_plan()).entries)
        for change in self.read_log():
            board.apply(change)
        return board

    def read_log(self) -> list[Change]:
        """Returns the changes so far; lines torn by a crash are left out."""
        try:
            lines = self.log_file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise MachineError(write_problem(self.log_file, error)) from error
        return [change for line in lines if (change := self._change(line)) is not None]

    def _change(self, line: bytes) -> Change | None:
        try:
            content = json.loads(line)
            run = content.get("run")
            if content["state"] not in STATES:
                return None
            return Change(
                content["key"],
                content["state"],
                RunDirectory(self.runs / run) if run else None,
                content.get("error"),
                content.get("detail", ""),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class BatchLog:
    """Appends changes to `batch.jsonl`, each on the disk before this returns.

    Raises:
        MachineError: The file cannot be written, as on a full disk.
    """

    def __init__(self, folder: BatchFolder) -> None:
        self._path = folder.log_file
        self._healed = False

    def append(self, change: Change) -> None:
        content = {
            "time": round(time.time(), 3),
            "key": change.key,
            "state": change.state,
            "run": change.run.run_id if change.run else None,
            "error": change.error,
            "detail": change.detail,
        }
        line = json.dumps({k: v for k, v in content.items() if v}, ensure_ascii=False)
        encoded = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            with self._path.open("ab") as file:
                if not self._healed and _torn(self._path):
                    file.write(b"\n")
                self._healed = False  # until this line is whole
                file.write(encoded)
                file.flush()
                os.fsync(file.fileno())
                self._healed = True
        except OSError as error:
            raise MachineError(write_problem(self._path, error)) from error


def _torn(path: Path) -> bool:
    """Whether the last line has no end, because whoever wrote it died."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def find_batches(runs_dir: Path) -> list[BatchFolder]:
    """Returns all batches below `runs_dir`, those that changed last at the end."""
    files = sorted((runs_dir / BATCHES).glob("*/plan.json"), key=_changed)
    return [BatchFolder(file.parent) for file in files]


def find_batch(runs_dir: Path, name: str) -> BatchFolder:
    """Returns the batch that `name` means: a folder, an id, its beginning, or ``last``.

    Raises:
        ConfigError: There is no such batch, or more than one.
    """
    try:
        if (Path(name) / "plan.json").is_file():
            return BatchFolder(Path(name).resolve())
    except OSError:  # a name may be longer than a file system takes
        pass
    batches = find_batches(runs_dir)
    if name == "last" and batches:
        return batches[-1]
    matches = [each for each in batches if each.batch_id == name] or [
        each for each in batches if name and each.batch_id.startswith(name)
    ]
    if len(matches) == 1:
        return matches[0]
    ids = [each.batch_id for each in (matches or batches)]
    code = "batch.ambiguous" if matches else "batch.unknown"
    found = f"{len(matches)} that begin with `{name:.100}`"
    fix = "give more of the id: " + ", ".join(ids) if matches else did_you_mean(name, ids)
    raise ConfigError(Problem(code, str(runs_dir / BATCHES), "one batch", found, fix))


def plugin_files(folder: BatchFolder) -> list[Path]:
    """Returns the single-file plugins of a batch, those that are gone left out."""
    return [file for file in map(Path, folder.read_plan().plugin_files) if file.is_file()]


def with_added(plan: BatchPlanFile, entries: Sequence[Entry]) -> tuple[BatchPlanFile, int]:
    """Returns `plan` with those of `entries` that it lacks, and how many those are."""
    known = {entry.key for entry in plan.entries}
    added = [entry for entry in entries if entry.key not in known]
    return replace(plan, entries=(*plan.entries, *added)), len(added)


def missing_from(plan: BatchPlanFile, entries: Iterable[Entry]) -> list[Entry]:
    """Returns the entries of `plan` that `entries` doesn't have."""
    keys = {entry.key for entry in entries}
    return [entry for entry in plan.entries if entry.key not in keys]


def _changed(file: Path) -> float:
    newest = file.parent / "batch.jsonl"
    try:
        return max(file.stat().st_mtime, newest.stat().st_mtime if newest.exists() else 0)
    except OSError:
        return 0.0


def _newer(path: Path, found: object) -> Problem:
    expected = f"schema_version of at most {SCHEMA_VERSION}"
    fix = "update tunebook to work with this batch"
    return Problem("batch.newer", str(path), expected, str(found), fix)


def _damaged(path: Path, found: str) -> Problem:
    expected = "a plan that tunebook wrote"
    fix = "put the file back, or start the plan anew in another folder"
    return Problem("batch.damaged", str(path), expected, found, fix)
