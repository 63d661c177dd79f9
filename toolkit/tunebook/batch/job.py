"""The inside of an attempt: a process that carries out one run and says how that ended.

`attempt.json` is written last. A run without it was never concluded, whatever its record says:
the record of a notebook may say `succeeded` some cells before its end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tunebook.batch.heartbeat import Heart, oom_kills
from tunebook.errors import ExitCode, MachineError, Problem, StoppedError, TunebookError
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Limits, begin_in, carry_out, make_plan, resume
from tunebook.notebooks.verdict import error_of
from tunebook.records import RunDirectory, RunRecord, write_atomically

JOB, HEARTBEAT, CONCLUSION = "job.json", "heartbeat.json", "attempt.json"
"""Names in a run's directory."""
ORPHAN_GRACE_BEATS = 30
"""Beats between asking an attempt to end whose parent has died, and ending it."""


@dataclass(frozen=True)
class Job:
    """What an attempt is to do; the content of `job.json`.

    Attributes:
        mode: Begin the run, or go on from its last checkpoint.
        plugin_files: Single-file plugins, which lie in the run's directory.
        folder: Where to work, since relative paths of a case begin there.
        processes: How many train the model together.
    """

    mode: Literal["launch", "resume"]
    case: str
    parameters: Mapping[str, Any]
    with_notebook: bool
    plugin_files: Sequence[str]
    limits: Mapping[str, Any]
    folder: str
    processes: int = 1

    def write(self, run: RunDirectory) -> Path:
        path = run.path / JOB
        write_atomically(path, json.dumps(asdict(self), indent=1) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Conclusion:
    """The last word of an attempt; the error is that of the record, where there is a record."""

    exit_code: int
    error: Mapping[str, Any] | None = None


def run_job(path: Path) -> int:
    """Carries out a `job.json`; returns the exit code."""
    # a shell may have told the driver, and so this process, to ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = RunDirectory(path.parent.resolve())
    with Heart(run.path / HEARTBEAT, _end_with_parent()):
        conclusion = _conclude(run, path)
        with suppress(TunebookError):  # on a full disk the exit code has to do
            write_atomically(run.path / CONCLUSION, json.dumps(asdict(conclusion)))
    return conclusion.exit_code


def read_conclusion(run: RunDirectory) -> Conclusion | None:
    """Returns the last word of the newest attempt, None when it had none."""
    try:
        return Conclusion(**json.loads((run.path / CONCLUSION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _conclude(run: RunDirectory, path: Path) -> Conclusion:
    kills = oom_kills()
    try:
        record = carry_out_job(run, Job.read(path))
        error = _of_memory(run, record) if oom_kills() > kills else error_of(record)
    except TunebookError as raised:
        error = raised
    except KeyboardInterrupt:
        found = "a person or a program stopped it before it began"
        error = StoppedError(Problem("run.stopped", str(run.path), "to run to the end", found, ""))
    return Conclusion(int(error.exit_code), error.to_dict()) if error else Conclusion(ExitCode.OK)


def carry_out_job(run: RunDirectory, job: Job) -> RunRecord:
    """Does what a job says in a run's directory; returns the final record.

    Raises:
        TunebookError: It could not begin.
    """
    if Path(job.folder).is_dir():  # another machine may not have it
        os.chdir(job.folder)
    files = [run.path / file for file in job.plugin_files]
    host = PluginHost(files=files)
    limits = Limits(**job.limits)
    if job.mode == "resume":
        return resume(run, host, limits=limits, debug=True)[1]
    plan = make_plan(host, job.case, job.parameters, with_notebook=job.with_notebook)
    record = begin_in(run, plan.case)
    plan = replace(plan, processes=job.processes)
    return carry_out(run, record, plan, host, plugin_files=files, limits=limits, debug=True)


def _of_memory(run: RunDirectory, record: RunRecord) -> TunebookError | None:
    """Returns the error of a record, which is want of memory where its kernel was killed for it."""
    error = error_of(record)
    if error is None or error.problems[0].code != "run.kernel_died":
        return error
    error = MachineError(memory_problem(run, "the system killed its kernel for want of memory"))
    run.write_record(record.updated(error=error.to_dict()))
    return error


def memory_problem(run: RunDirectory, found: str) -> Problem:
    """Returns the problem of a run that wanted more memory than there was."""
    fix = "run fewer at once (-E workers=1), or lower training.batch_size or text.max_tokens"
    return Problem("environment.memory", str(run.path), "enough memory", found, fix)


def _end_with_parent() -> Callable[[], None]:
    """Returns what to do at each beat: nobody wants a result once the parent has died."""
    parent = os.getppid()
    beats = 0

    def look() -> None:
        nonlocal beats
        if os.getppid() == parent:
            return
        if beats % ORPHAN_GRACE_BEATS == 0:
            os.kill(os.getpid(), signal.SIGINT)  # a second one ends it without grace
        if beats > 3 * ORPHAN_GRACE_BEATS:
            os._exit(ExitCode.STOPPED)
        beats += 1

    return look


def main() -> None:
    """``python -m tunebook.batch JOB.json``."""
    sys.exit(run_job(Path(sys.argv[1])))
