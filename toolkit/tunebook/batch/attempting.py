"""Makes attempts at the runs of a batch: where the run lies, and what carries it out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunebook.attempts import Attempt
from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder, BatchPlanFile
from tunebook.batch.job import CONCLUSION, HEARTBEAT, Job
from tunebook.batch.judging import UNRESUMABLE, code_of, is_transient
from tunebook.batch.orphans import mark_of
from tunebook.batch.plan import BatchLimits
from tunebook.errors import ConfigError, StoppedError
from tunebook.kernels.places import KernelChoice
from tunebook.loose import LoosePlugin
from tunebook.records import RunDirectory
from tunebook.shipping import keep_sources


@dataclass(frozen=True)
class Attempting:
    """The preparer of a batch's scheduler.

    An attempt goes on in the directory of the one before where that can be resumed; else it gets
    a new one. Nothing of earlier attempts is removed.
    """

    folder: BatchFolder
    plan: BatchPlanFile
    limits: BatchLimits
    with_notebook: bool = True
    kernel: KernelChoice = "warm"
    working_folder: Path = field(default_factory=Path.cwd)

    def __call__(self, entry: Entry, threads: int) -> tuple[RunDirectory, Attempt]:
        """Returns where the attempt's run lies, and the attempt.

        Raises:
            MachineError: The folder cannot be written to.
        """
        going_on = is_resumable(entry)
        run = entry.run if going_on and entry.run else self._new_run(entry)
        for name in (CONCLUSION, HEARTBEAT):  # of the attempt before
            with suppress(OSError):
                (run.path / name).unlink(missing_ok=True)
        job = Job(
            "resume" if going_on else "launch",
            entry.case,
            dict(entry.parameters),
            self.with_notebook,
            self._plugins(run, going_on),
            {
                "timeout": self.limits.run,
                "start_timeout": self.limits.start,
                "kernel": self.kernel,
            },
            str(self.working_folder),
        ).write(run)
        # -P: a file in the working directory must not stand in for a module
        command = ("-P", "-m", "tunebook.batch", str(job))
        return run, Attempt(entry.key, command, run.path, mark_of(self.folder.path), threads)

    def _plugins(self, run: RunDirectory, going_on: bool) -> list[str]:
        """Returns the run's own copies of the plugin files, which go with it to other machines."""
        files = [Path(file) for file in self.plan.plugin_files]
        kept = [*run.plugins.glob("*.py")] if going_on else []
        new = [f for f in files if f.is_file() and run.plugins / f.name not in kept]
        keep_sources((LoosePlugin(f.stem, f.read_bytes()) for f in new), run.plugins)
        return [f"{run.plugins.name}/{file.name}" for file in files]

    def _new_run(self, entry: Entry) -> RunDirectory:
        return RunDirectory.create(self.folder.path, "runs", label_of(entry))


def is_resumable(entry: Entry) -> bool:
    """Whether an entry's last attempt can be gone on with: it was ended, and not by a mistake."""
    if entry.run is None or code_of(entry.error).startswith(UNRESUMABLE):
        return False
    error: Mapping[str, Any] = entry.error or {}
    ended_from_outside = error.get("type") == StoppedError.__name__ or is_transient(error)
    return ended_from_outside and _has_begun(entry.run)


def label_of(entry: Entry) -> str:
    """Returns what the folder of a run is called, beside time and chance: ``lora-s1-3eff3b``."""
    strategy = entry.parameters.get("strategy")
    kind = strategy.get("kind") if isinstance(strategy, Mapping) else strategy
    seed = entry.parameters.get("seed")
    parts = [kind or Path(entry.case).stem, None if seed is None else f"s{seed}", entry.key[:6]]
    return re.sub(r"[^\w.-]", "_", "-".join(str(part)[:40] for part in parts if part is not None))


def _has_begun(run: RunDirectory) -> bool:
    try:
        run.read_record()
        run.read_case()
    except ConfigError:  # damaged, or of a newer tunebook
        return False
    # without it nobody knows which notebook the run was in
    return run.launch_file.is_file()
