"""How long a plan will take, from the records of earlier runs; honest where there are none."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunebook.batch.entry import Entry
from tunebook.batch.validation import Validated
from tunebook.estimates import measured_runs
from tunebook.progress import duration


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds of all runs together, one after another, without the start of their kernels.

    Attributes:
        exact: Runs that ran before with the same settings but for the seed.
        similar: Runs of which only case and strategy ran before.
        unknown: Runs that nothing is known of; they aren't in `seconds`.
        records: Records that it is made from.
        places: How many run at once; None where the executor does not say beforehand.
    """

    seconds: float
    exact: int
    similar: int
    unknown: int
    records: int
    places: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "wall_seconds": self.wall_seconds}

    @property
    def wall_seconds(self) -> float | None:
        return self.seconds / self.places if self.places else None

    def __str__(self) -> str:
        if not self.exact and not self.similar:
            return "no earlier runs of these cases and strategies to tell the time from"
        total = f"about {duration(self.seconds)} of runs"
        if self.wall_seconds is not None and self.places is not None and self.places > 1:
            total = f"about {duration(self.wall_seconds)} on {self.places} at once ({total})"
        parts = [f"{self.exact} as they ran before"] if self.exact else []
        parts += [f"{self.similar} by case and strategy alone"] if self.similar else []
        parts += [f"{self.unknown} unknown and left out"] if self.unknown else []
        return f"{total}, from {self.records} records: {', '.join(parts)}"


def estimate_time(
    runs_dir: Path, validated: Validated, entries: Iterable[Entry], places: int | None = None
) -> TimeEstimate:
    """Returns the time that `entries` will take: medians of runs that succeeded.

    Args:
        runs_dir: Where earlier runs lie.
        validated: What the entries come to.
        entries: What is still to be run.
        places: How many run at once.
    """
    by_settings, by_strategy = _earlier(runs_dir)
    seconds, used = 0.0, set()
    counts = {"exact": 0, "similar": 0, "unknown": 0}
    for entry in entries:
        settings, strategy = (
            of.get(entry.key) for of in (validated.settings, validated.strategies)
        )
        how, earlier = "unknown", {}
        if settings in by_settings:
            how, earlier = "exact", by_settings[settings]
        elif strategy in by_strategy:
            how, earlier = "similar", by_strategy[strategy]
        counts[how] += 1
        used.update(earlier)
        seconds += statistics.median(earlier.values()) if earlier else 0.0
    return TimeEstimate(seconds, **counts, records=len(used), places=places)


Times = Mapping[Any, dict[str, float]]
"""By what was run, seconds by run."""


def _earlier(runs_dir: Path) -> tuple[Times, Times]:
    """Returns the times of earlier runs, by their settings and by case and strategy."""
    by_settings: dict[Any, dict[str, float]] = defaultdict(dict)
    by_strategy: dict[Any, dict[str, float]] = defaultdict(dict)
    for run in measured_runs(runs_dir):
        by_strategy[run.case, run.strategy][str(run.run.path)] = run.seconds
        by_settings[run.settings][str(run.run.path)] = run.seconds
    return by_settings, by_strategy
