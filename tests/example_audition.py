"""Auditions of made-up runs: files as an audition leaves them, without a training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from example_batch import PROBLEM, add_run
from tunebook.audition.folder import AuditionFile
from tunebook.audition.halving import Rung
from tunebook.audition.plan import AuditionPlan
from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder, BatchLog, BatchPlanFile
from tunebook.batch.states import Change

BROKEN = None
"""The skill of a candidate whose runs have failed."""


def audition_plan(*strategies: str, **changes: object) -> AuditionPlan:
    """Returns the plan of an audition of strategies."""
    content = {"case": "tickets", "candidates": [{"strategy": name} for name in strategies]}
    return AuditionPlan.model_validate(content | changes)


def save_audition(
    runs_dir: Path,
    rungs: Mapping[int, Mapping[str, float | None]],
    *,
    all_rows: int = 1000,
    done: bool = True,
    ended: bool = True,
    seconds: float = 60.0,
    elsewhere: Collection[str] = (),
) -> BatchFolder:
    """Writes an audition.

    Args:
        runs_dir: Where runs lie.
        rungs: By training rows, the skill of each candidate, `BROKEN` of one that failed.
        all_rows: Training rows of the case.
        done: Whether nothing more is to be run in the last rung.
        ended: Whether the audition has come to its end.
        seconds: What each rung has taken.
        elsewhere: Candidates that were judged on other texts.
    """
    plan = audition_plan(*next(iter(rungs.values())))
    folder = BatchFolder(runs_dir / "batches" / f"{plan.title}-0")
    folder.path.mkdir(parents=True)
    file = AuditionFile(plan, all_rows, {"p_tuning": "it doesn't work on an encoder"})
    entries: list[Entry] = []
    log = BatchLog(folder)
    for number, (rows, skills) in enumerate(rungs.items(), 1):
        rung = Rung(rows, tuple(skills), plan.seeds, None if number == 1 else 30.0)
        file = file.with_rung(rung).with_last(seconds=seconds, done=done or number < len(rungs))
        for name, parameters in plan.runs_of(rung):
            (key,) = (k for k, p in _keyed(plan, rung).items() if p == parameters)
            entries.append(Entry(key, "tickets", parameters))
            skill = skills[name]
            if skill is BROKEN:
                log.append(Change(key, "running"))
                error = {"type": "TrainingError", "exit_code": 4, "problems": [PROBLEM]}
                log.append(Change(key, "failed", None, error))
                continue
            made = add_run(
                folder.path,
                parameters,
                skill=skill,
                seconds=10 * skill,
                split="validation",
                test=int(name in elsewhere),
            )
            log.append(Change(key, "running", made.run))
            log.append(Change(key, "succeeded"))
    folder.write_plan(BatchPlanFile(plan.title, {}, tuple(entries)))
    replace(file, ended=ended).write(folder)
    return folder


def _keyed(plan: AuditionPlan, rung: Rung) -> dict[str, Mapping[str, object]]:
    keys = [*plan.keys_of(rung)]
    return dict(zip(keys, (run for _, run in plan.runs_of(rung)), strict=True))
