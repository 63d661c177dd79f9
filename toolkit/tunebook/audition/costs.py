"""What candidates would take on more rows, by what they took in a rung."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunebook.audition.reading import RungResult
from tunebook.batch.folder import BatchFolder
from tunebook.config import TrainingConfig
from tunebook.estimates import Measured, Work, measured_runs, rows_of


@dataclass(frozen=True)
class Costs:
    """What candidates would take on more rows, by what they took in a rung.

    Attributes:
        measured: Their runs of that rung, by candidate.
        overhead: The wall time of the rung over that of its runs: starts of processes, and
            whatever slowed it down.
    """

    measured: Mapping[str, Sequence[Measured]]
    overhead: float

    @classmethod
    def of(cls, folder: BatchFolder, rung: RungResult, places: int) -> Costs:
        found = {each.run.run_id: each for each in measured_runs(folder.path)}
        measured = {
            name: [found[run.of.run.run_id] for run in row.runs if run.of.run.run_id in found]
            for name, row in rung.rows.items()
        }
        seconds = sum(map(_seconds, measured.values()))
        used = min(places, sum(map(len, measured.values())))
        overhead = rung.tried.seconds * used / seconds if seconds else 1.0
        return cls(measured, max(overhead, 1.0))

    def __call__(self, name: str, rows: int) -> float:
        # without any, as where the clock was set back, it counts as the dearest of them
        runs = self.measured[name] or max(self.measured.values(), key=_seconds)
        if not runs:  # nothing at all was measured
            return math.inf
        told = [each.predict(_work(each, rows)) for each in runs]
        return self.overhead * sum(told) / len(told)


def _seconds(runs: Sequence[Measured]) -> float:
    return sum(each.seconds for each in runs)


def _work(measured: Measured, rows: int) -> Work:
    """Returns what a run would do on so many training rows."""
    record, case = measured.run.read_record(), measured.run.read_case()
    validation = rows_of(record)["validation"]
    training = TrainingConfig.model_validate(case["training"])
    return Work.of(training, {"train": rows, "validation": validation})
