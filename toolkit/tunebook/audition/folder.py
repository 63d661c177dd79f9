"""What an audition keeps on disk beside its batch: `audition.json`, replaced after every change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tunebook.audition.halving import Rung
from tunebook.audition.plan import AuditionPlan
from tunebook.batch.folder import BatchFolder, find_batch, find_batches
from tunebook.errors import ConfigError, Problem
from tunebook.records import write_atomically

FILE = "audition.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Tried:
    """A rung, and how far it is.

    Attributes:
        seconds: Wall time that was spent on it.
        done: Whether nothing more is to be run in it.
    """

    rung: Rung
    seconds: float = 0.0
    done: bool = False


@dataclass(frozen=True)
class AuditionFile:
    """The content of `audition.json`.

    Attributes:
        all_rows: Training rows of the case.
        left_out: By strategy that can't be tried on the case, why.
        rungs: In order; the last may be under way.
        ended: Whether it came to its end, within its budget or at it.
    """

    plan: AuditionPlan
    all_rows: int
    left_out: Mapping[str, str] = field(default_factory=dict)
    rungs: Sequence[Tried] = ()
    ended: bool = False

    @property
    def spent(self) -> float:
        """Seconds of the budget that are used up."""
        return sum(tried.seconds for tried in self.rungs)

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return max(self.plan.budget - self.spent, 0.0)

    @property
    def done(self) -> list[Rung]:
        """The rungs that nothing is to be run in any more."""
        return [tried.rung for tried in self.rungs if tried.done]

    def with_last(self, **changes: Any) -> AuditionFile:
        """Returns it with changes of its last rung."""
        return replace(self, rungs=(*self.rungs[:-1], replace(self.rungs[-1], **changes)))

    def with_rung(self, rung: Rung) -> AuditionFile:
        """Returns it with one more rung."""
        return replace(self, rungs=(*self.rungs, Tried(rung)))

    def write(self, folder: BatchFolder) -> None:
        """Replaces the file of a batch, at once and whole.

        Raises:
            MachineError: It cannot be written.
        """
        content = {
            "schema_version": SCHEMA_VERSION,
            "plan": self.plan.model_dump(mode="json"),
            "all_rows": self.all_rows,
            "left_out": dict(self.left_out),
            "rungs": [asdict(tried) for tried in self.rungs],
            "ended": self.ended,
        }
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomically(folder.path / FILE, text)


def is_audition(folder: BatchFolder) -> bool:
    """Whether a batch belongs to an audition."""
    return (folder.path / FILE).is_file()


def read_audition(folder: BatchFolder) -> AuditionFile:
    """Returns what is known of an audition.

    Raises:
        ConfigError: The batch is none of an audition, or the file is damaged or too new.
    """
    path = folder.path / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] > SCHEMA_VERSION:
            expected = f"schema_version of at most {SCHEMA_VERSION}"
            fix = "update tunebook to work with this audition"
            found = str(content["schema_version"])
            raise ConfigError(Problem("audition.newer", str(path), expected, found, fix))
        return AuditionFile(
            AuditionPlan.model_validate(content["plan"]),
            int(content["all_rows"]),
            dict(content["left_out"]),
            tuple(_tried(each) for each in content["rungs"]),
            bool(content["ended"]),
        )
    except FileNotFoundError as error:
        fix = "see `tunebook batches`; `tunebook audition CASE` begins one"
        found = "a batch that is none"
        raise ConfigError(Problem("audition.none", str(path), "an audition", found, fix)) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"{type(error).__name__}: {error}"
        expected = "a file that tunebook wrote"
        fix = "put the file back, or remove the whole folder to begin anew"
        raise ConfigError(Problem("audition.damaged", str(path), expected, found, fix)) from error


def find_audition(runs_dir: Path, name: str) -> BatchFolder:
    """Returns the audition that `name` means, as for batches; ``last`` is the newest audition.

    Raises:
        ConfigError: There is no such audition, or more than one.
    """
    if name != "last":
        return find_batch(runs_dir, name)
    found = [folder for folder in find_batches(runs_dir) if is_audition(folder)]
    if not found:
        fix = "`tunebook audition CASE` begins one"
        problem = ("audition.none", str(runs_dir), "an audition", "none", fix)
        raise ConfigError(Problem(*problem))
    return found[-1]


def _tried(content: Mapping[str, Any]) -> Tried:
    rung = content["rung"]
    predicted = rung["predicted"]
    return Tried(
        Rung(
            int(rung["rows"]),
            tuple(map(str, rung["candidates"])),
            int(rung["seeds"]),
            None if predicted is None else float(predicted),
        ),
        float(content["seconds"]),
        bool(content["done"]),
    )
