"""How a run that was cut short is taken up again: what is left of it, and what its record says."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, Problem, shorten
from tunebook.events import RunEnded, last_sign_of_life, read_events
from tunebook.ownership import last_beat
from tunebook.records import Resumption, RunDirectory, RunRecord, runs_folder

RESUME = "TUNEBOOK_RESUME"
"""Environment variable: the next `run_case` of this process goes on with the run in
``TUNEBOOK_RUN_DIR`` instead of starting a new one."""


def asked_to_resume() -> Path | None:
    """Returns the run to go on with, once; None where nobody asked."""
    asked = os.environ.pop(RESUME, "")
    given = os.environ.get("TUNEBOOK_RUN_DIR")
    return Path(given) if asked and given else None


def place_of(case: CaseConfig, runs_dir: str | Path | None = None) -> tuple[RunDirectory, bool]:
    """Returns the directory of the next run of this process, and whether to go on with a run that
    lies there.

    Args:
        case: What is run.
        runs_dir: Where a new directory is made, also where the environment names one.
    """
    left = asked_to_resume() if runs_dir is None else None
    if left is not None:
        return RunDirectory(left), True
    given = os.environ.get("TUNEBOOK_RUN_DIR")
    if given and runs_dir is None:
        directory = RunDirectory(Path(given))
        if directory.path.is_dir() and not directory.events_file.exists():
            return directory, False
    root = runs_folder(runs_dir).resolve()
    return RunDirectory.create(root, case.name, f"{case.strategy.kind}-s{case.seed}"), False


def finished(directory: RunDirectory) -> bool:
    """Whether all of a run is done, whatever came after it in its notebook."""
    ended = RunEnded.type, "succeeded"
    events = read_events(directory.events_file)
    return any((each.get("type"), each.get("status")) == ended for each in events)


def check_same_case(directory: RunDirectory, case: CaseConfig) -> None:
    """Compares a case with that of a run, which has settings that came later at their defaults.

    Raises:
        ConfigError: They differ, or the run's is damaged.
    """
    before, now = directory.read_case(), case.to_json_dict()
    with suppress(ValidationError):  # such as of a plugin that is another one now
        before = type(case).model_validate(before).to_json_dict()
    problems = [
        Problem(
            "resume.case_changed",
            key,
            f"what the run began with, {shorten(before.get(key))}",
            shorten(now.get(key)),
            "start a new run, or leave case and notebook as they were",
        )
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if problems:
        raise ConfigError(*problems)


def check_readable(directory: RunDirectory) -> None:
    """Raises ConfigError where a newer tunebook wrote the record; a damaged one is no hindrance."""
    try:
        directory.read_record()
    except ConfigError as error:
        if error.problems[0].code == "record.newer":
            raise


def earlier_record(directory: RunDirectory, blank: RunRecord) -> RunRecord:
    """Returns the record that earlier attempts have left, `blank` where it is damaged."""
    try:
        return directory.read_record()
    except ConfigError:
        return blank


def taken_up(
    directory: RunDirectory, earlier: RunRecord, now: RunRecord, stage: str, step: int
) -> RunRecord:
    """Returns the record of a run that goes on.

    Args:
        directory: Where it lies.
        earlier: What earlier attempts have recorded.
        now: The record of a run that begins now.
        stage: The training that goes on, empty where the run starts anew.
        step: Optimiser steps of it that are kept.
    """
    resumption = Resumption(
        time=now.started,
        stage=stage,
        step=step,
        seconds=_spent(directory, earlier),
    )
    return now.updated(
        started=earlier.started,
        resumed=(*earlier.resumed, resumption),
        seconds=earlier.seconds,
        training=earlier.training,
        warnings=earlier.warnings,
        learning_curve=earlier.learning_curve,
    )


def _spent(directory: RunDirectory, earlier: RunRecord) -> float:
    """Returns the seconds that all attempts so far took, the last to its last sign of life."""
    before = earlier.resumed[-1].seconds if earlier.resumed else 0.0
    began = earlier.resumed[-1].time if earlier.resumed else earlier.started
    recorded = earlier.seconds.get("total", 0.0)
    signs: list[Any] = [last_sign_of_life(directory.events_file), last_beat(directory.path)]
    lived = max((sign - began for sign in signs if sign is not None), default=0.0)
    # a clock that was put back must not make it shorter than what is recorded
    return round(max(before + lived, recorded, before), 3)


def now_running(directory: RunDirectory, record: RunRecord) -> RunRecord:
    """Writes and returns a record that says that the run is under way again."""
    record = record.updated(status="running", error=None, finished=None)
    directory.write_record(record)
    return record
