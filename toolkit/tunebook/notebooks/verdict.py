"""The last word on a run that was a notebook: its record, never the notebook's metadata."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tunebook.errors import (
    ConfigError,
    Problem,
    StoppedError,
    TrainingError,
    TunebookError,
    parse_problems,
    shorten,
)
from tunebook.notebooks.supervision import Outcome
from tunebook.records import RunDirectory, RunRecord, Status


@dataclass(frozen=True)
class Verdict:
    """What an outcome means for the record."""

    status: Status
    error: type[TunebookError]
    expected: str
    found: Callable[[Outcome], str]
    fix: str


PROCESSES = Verdict(
    "failed",
    TrainingError,
    "processes that live to the end",
    lambda o: o.detail,
    "see that all have enough memory, lower --processes or training.batch_size, run it again",
)
VERDICTS: Mapping[str, Verdict] = {
    "raised": Verdict(
        "failed",
        TrainingError,
        "every cell to run",
        lambda o: f"{_place(o)}{o.error}: {' '.join(o.detail.split())}",
        "read the traceback in the executed notebook, or run it again with --debug",
    ),
    "kernel_died": Verdict(
        "failed",
        TrainingError,
        "a kernel that lives to the end",
        lambda _: "it died, often for want of memory",
        "lower training.batch_size or text.max_tokens, then run it again",
    ),
    "kernel_start": Verdict(
        "failed",
        TrainingError,
        "a kernel that answers in time",
        lambda o: o.detail,
        "give it more time with --start-timeout, or see that ipykernel imports",
    ),
    "crashed": Verdict(
        "failed",
        TrainingError,
        "papermill to finish",
        lambda o: f"{o.error}: {o.detail}",
        "run it again; --no-notebook does without papermill",
    ),
    "process_died": PROCESSES,
    "process_failed": PROCESSES,
    "timed_out": Verdict(
        "timed_out",
        StoppedError,
        "an end within the time allowed",
        lambda _: "the watchdog ended it",
        "allow more with --timeout SECONDS, or make the case smaller",
    ),
    "stopped": Verdict(
        "stopped",
        StoppedError,
        "to run to the end",
        lambda o: f"a person or a program stopped it ({o.detail})",
        "run it again when it suits",
    ),
    "finished": Verdict(
        "failed",
        TrainingError,
        "a notebook that ends its run",
        lambda _: "its last cell ran, but no finished run was recorded",
        "call tunebook.run_case(case) in the notebook and wait for it",
    ),
}
CODES = {"raised": "notebook_failed", "finished": "unfinished"}


def conclude(run: RunDirectory, outcome: Outcome, blank: RunRecord) -> RunRecord:
    """Returns the final record, after writing it where the kernel could not.

    An error that the kernel recorded itself is kept, unless the run was ended from outside or one
    of several processes was killed, which the others can only call a lost connection.

    Args:
        run: The run's directory.
        outcome: How the notebook ended.
        blank: What to record when the kernel has left nothing readable.
    """
    try:
        record = run.read_record()
    except ConfigError:
        record = blank
    if outcome.kernel and not record.kernel:
        record = record.updated(kernel=dict(outcome.kernel))
        run.write_record(record)
    if outcome.kind == "finished" and record.status == "succeeded":
        return record
    verdict = VERDICTS[outcome.kind]
    told = record.error is not None and record.status not in ("running", "succeeded")
    if told and outcome.kind != "process_died" and (verdict.status in ("failed", record.status)):
        return record
    error = _error(run, outcome, verdict)
    record = record.updated(
        status=_status(error, verdict), finished=time.time(), error=error.to_dict()
    )
    run.write_record(record)
    return record


def error_of(record: RunRecord) -> TunebookError | None:
    """Returns the error that a record holds, to be shown as if it had just been raised."""
    return error_from(record.error, record.run_id) if record.error is not None else None


def error_from(content: Mapping[str, Any], where: str) -> TunebookError:
    """Returns an error from its one shape; `where` is the run that it is of."""
    error_class = _class_named(str(content.get("type")))
    try:
        return error_class(*(Problem(**problem) for problem in content["problems"]))
    except (KeyError, TypeError, ValueError):
        found = shorten(content)
        return error_class(Problem("run.failed", where, "a run that succeeds", found, ""))


def _place(outcome: Outcome) -> str:
    return "" if outcome.cell is None else f"cell [{outcome.cell}] raised "


def _error(run: RunDirectory, outcome: Outcome, verdict: Verdict) -> TunebookError:
    error_class = _class_named(outcome.error) if outcome.kind == "raised" else verdict.error
    problems = parse_problems(outcome.detail) if outcome.kind == "raised" else []
    if problems:
        return error_class(*problems)
    code = f"run.{CODES.get(outcome.kind, outcome.kind)}"
    where = str(run.notebook if run.notebook.exists() else run.path)
    return error_class(Problem(code, where, verdict.expected, verdict.found(outcome), verdict.fix))


def _status(error: TunebookError, verdict: Verdict) -> Status:
    stopped = verdict.status == "failed" and isinstance(error, StoppedError)
    return "stopped" if stopped else verdict.status


def _class_named(name: str) -> type[TunebookError]:
    """A notebook hands over the name of what a cell raised, and nothing more."""
    known = {cls.__name__: cls for cls in TunebookError.__subclasses__()}
    interrupted = {"KeyboardInterrupt": StoppedError}
    return {**known, **interrupted}.get(name, TrainingError)
