"""Checkpoints of a run on disk: written whole or not at all, checked before they are used, few.

They lie one beside another in ``checkpoints/`` of the run, in folders that are numbered in the
order of writing. Nothing is pickled: tensors are safetensors, the rest is JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from tunebook.cache import file_sha256
from tunebook.config import CheckpointConfig
from tunebook.errors import ConfigError, Problem
from tunebook.events import EventLog
from tunebook.training import processes
from tunebook.training.basis import Basis

if TYPE_CHECKING:
    from tunebook.training.steering import Inbox

FORMAT = 1
MANIFEST, STATE, TENSORS = "manifest.json", "state.json", "tensors.safetensors"

SHARE = 0.01
"""Most of the time of a training that its checkpoints may take, where they go by time."""

FIRST_GUESS = 200e6
"""Bytes a second that writing is taken to manage, before it has been measured."""


class DamagedError(Exception):
    """A checkpoint isn't what was written."""


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint is made of.

    Attributes:
        tensors: On any device.
        state: In JSON types.
        files: Further files by name: their content, or a file that is taken over as it is.
    """

    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]
    files: Mapping[str, str | Path] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of its large parts."""
        taken = [file.stat().st_size for file in self.files.values() if isinstance(file, Path)]
        return sum(t.numel() * t.element_size() for t in self.tensors.values()) + sum(taken)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is whole.

    Attributes:
        folder: Where it lies.
        training: Which training of the run it is of, counted from 0 in their order, and its name.
        step: Optimiser steps taken.
        done: Whether the training is over; then it holds what has come out, and no optimiser.
        position: Lines of `events.jsonl` that were written before it.
        state: What else it holds, in JSON types.
    """

    folder: Path
    training: tuple[int, str]
    step: int
    done: bool
    position: int
    state: Mapping[str, Any]

    def tensors(self) -> dict[str, torch.Tensor]:
        return load_file(str(self.folder / TENSORS))

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Returns the checkpoint in a folder.

        Raises:
            DamagedError: A file is missing, or isn't what was written.
            ConfigError: A newer tunebook wrote it.
        """
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            if manifest["format"] > FORMAT:
                raise ConfigError(_newer(folder, manifest["format"]))
            files = manifest["files"]
            changed = [n for n, digest in files.items() if file_sha256(folder / n) != digest]
            if changed or not {STATE, TENSORS} <= files.keys():
                raise DamagedError(f"not as written: {', '.join(changed) or MANIFEST}")
            about = json.loads((folder / STATE).read_bytes())
            number, name = about.pop("training")
            return cls(folder, (number, name), **about)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedError(str(error)) from error


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they lie, beside whatever else the trainings write there.
        config: How often, and how many.
        log: Knows how many events there are.
        warn: Told of what has changed or cannot be written.
        inbox: What is asked of the run while it trains; a checkpoint holds what was done of it.

    Attributes:
        damaged: What `open` has found that isn't whole.
    """

    def __init__(
        self,
        folder: Path,
        config: CheckpointConfig,
        log: EventLog,
        warn: Callable[[str], None] = lambda _: None,
        inbox: Inbox | None = None,
    ) -> None:
        self.folder = folder
        self.inbox = inbox
        self.config = config
        self.log = log
        self.warn = warn
        self.basis = Basis(folder / "basis.json")
        self._found: list[Checkpoint] = []
        self._trainings = 0
        self.damaged: list[str] = []

    def open(self) -> Checkpoint | None:
        """Looks for what an earlier attempt has left; returns the newest that is whole.

        Raises:
            ConfigError: A newer tunebook wrote it.
        """
        for folder in self.folder.glob(".*.tmp"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._folders():
            try:
                self._found.append(Checkpoint.read(folder))
            except DamagedError as error:
                self.damaged.append(f"checkpoint {folder.name} is damaged and not used: {error}")
        return self._found[-1] if self._found else None

    def stand_on(self, **facts: Any) -> None:
        """Says what the run stands on, see `Basis`.

        Raises:
            DataError: An earlier attempt stood on other data.
            ConfigError: Or on other pretrained weights.
        """
        for difference in self.basis.stand_on(facts):
            if self._found:
                self.warn(f"{difference}: the result may differ from that of an unbroken run")

    def next_training(self, name: str) -> TrainingCheckpoints:
        """Returns the place of the run's next training.

        Args:
            name: What the training is called; the same one for the same training of a run.
        """
        training = (self._trainings, name)
        self._trainings += 1
        mine = [each for each in self._found if each.training == training]
        newest = self._found[-1].training[0] if self._found else -1
        return TrainingCheckpoints(
            self, training, mine[-1] if mine else None, repeated=newest > training[0]
        )

    def write(self, snapshot: Snapshot) -> bool:
        """Writes a checkpoint; returns whether there was room for it.

        What cannot be written costs the run a checkpoint, and nothing else.
        """
        if not self._make_room(snapshot.size):
            self.warn("no checkpoint: it would be above checkpoints.limit_gb")
            return False
        number = max((int(folder.name) for folder in self._folders()), default=0) + 1
        temporary = self.folder / f".{number:06}.tmp"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            _fill(temporary, snapshot)
            temporary.rename(self.folder / f"{number:06}")
            _sync(self.folder)
        except Exception as error:  # safetensors has an error class of its own for failed writes
            shutil.rmtree(temporary, ignore_errors=True)
            self.warn(f"no checkpoint: {error}")
            return False
        return True

    def forget(self, training: tuple[int, str], keep: int) -> None:
        """Removes all but the newest checkpoints of a training."""
        mine = [f for f in self._folders() if _about(f).get("training") == [*training]]
        for folder in mine[: len(mine) - keep]:
            _remove(folder)

    def _folders(self) -> list[Path]:
        """Returns what looks like a checkpoint, oldest first."""
        found = [f for f in self.folder.glob("[0-9]*") if f.name.isdecimal() and f.is_dir()]
        return sorted(found, key=lambda folder: int(folder.name))

    def _make_room(self, size: int) -> bool:
        """Removes older checkpoints, but never the last one, until one of `size` fits.

        What has come out of a training goes after what only led there.
        """
        limit = self.config.limit_gb * 2**30
        sizes = {folder: _size(folder) for folder in self._folders()}
        for folder in sorted([*sizes][:-1], key=lambda each: bool(_about(each).get("done"))):
            if sum(sizes.values()) + size > limit:
                _remove(folder)
                del sizes[folder]
        return sum(sizes.values()) + size <= limit


@dataclass
class TrainingCheckpoints:
    """The checkpoints of one training of a run.

    Attributes:
        found: Where an earlier attempt has got to in it.
        repeated: Whether it only leads up to where the run goes on, in a later training.
    """

    run: Checkpoints
    training: tuple[int, str]
    found: Checkpoint | None = None
    repeated: bool = False
    cost: float | None = None
    """Seconds that the last one took."""
    asked: bool = False
    """Whether somebody wants one after this step."""

    def __post_init__(self) -> None:
        self._last = time.perf_counter()

    @property
    def off(self) -> bool:
        # a checkpoint is of one process; what several have drawn at random is not in it
        return self.repeated or not self.run.config.limit_gb or processes.count() > 1

    def due(self, step: int, size: Callable[[], int]) -> bool:
        """Whether a checkpoint should be written after `step`.

        Args:
            step: Optimiser steps taken.
            size: Returns about how many bytes it would have.
        """
        if self.off:
            return False
        if self.asked:
            self.asked = False
            return True
        config = self.run.config
        if config.every_steps is not None:
            return step % config.every_steps == 0
        passed = time.perf_counter() - self._last
        return passed >= config.every_seconds and self.worth(passed, size)

    def worth(self, passed: float, size: Callable[[], int]) -> bool:
        """Whether writing takes so little that `passed` seconds of training are worth it."""
        cost = size() / FIRST_GUESS if self.cost is None else self.cost
        return passed * SHARE >= cost

    def write(self, step: int, snapshot: Snapshot) -> None:
        """Keeps where the training has got to, in the place of older ones."""
        started = time.perf_counter()
        self._write(step, snapshot, done=False)
        self._last = time.perf_counter()
        self.cost = self._last - started

    def write_end(self, step: int, seconds: float, snapshot: Callable[[], Snapshot]) -> None:
        """Keeps what has come out, unless the whole training took less than it is worth.

        Args:
            step: Optimiser steps taken.
            seconds: What the training took.
            snapshot: Makes what is kept.
        """
        if self.off:
            return
        made = snapshot()
        obeyed = self.run.config.every_steps is not None
        if obeyed or self.worth(seconds, lambda: made.size):
            self._write(step, made, done=True)

    def _write(self, step: int, snapshot: Snapshot, *, done: bool) -> None:
        about = {
            "training": self.training,
            "step": step,
            "done": done,
            "position": self.run.log.position,
            "state": snapshot.state,
        }
        if self.run.write(Snapshot(snapshot.tensors, about, snapshot.files)):
            self.run.forget(self.training, self.run.config.keep)


def _fill(folder: Path, snapshot: Snapshot) -> None:
    """Writes all files of a checkpoint, and last their checksums."""
    on_cpu = {n: t.detach().to("cpu", copy=True).contiguous() for n, t in snapshot.tensors.items()}
    save_file(on_cpu, str(folder / TENSORS))
    texts = {STATE: json.dumps(snapshot.state)}
    for name, content in (snapshot.files | texts).items():
        if isinstance(content, Path):
            _take_over(content, folder / name)
        else:
            (folder / name).write_text(content, encoding="utf-8")
    names = sorted(file.name for file in folder.iterdir())
    manifest = {"format": FORMAT, "files": {name: file_sha256(folder / name) for name in names}}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    for path in (*(folder / name for name in names), folder / MANIFEST, folder):
        _sync(path)


def _take_over(source: Path, target: Path) -> None:
    """Puts a file that is only ever replaced, never changed, under a second name."""
    try:
        os.link(source, target)
    except OSError:  # not every file system has links
        shutil.copyfile(source, target)


def _sync(path: Path) -> None:
    """Has a file, or the names in a folder, put on the disk itself."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove(folder: Path) -> None:
    """Removes a checkpoint, so that half of one is never seen."""
    doomed = folder.with_name(f".{folder.name}.gone.tmp")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _about(folder: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return about


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _newer(folder: Path, found: Any) -> Problem:
    return Problem(
        "checkpoint.newer",
        str(folder),
        f"format of at most {FORMAT}",
        str(found),
        "update tunebook to go on with this run",
    )
