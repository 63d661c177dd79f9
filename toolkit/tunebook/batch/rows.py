"""What a leaderboard is made of: runs, settings, tables. Nothing here computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tunebook.batch.comparing import Scored
from tunebook.batch.entry import Entry
from tunebook.batch.scoring import TaskRun
from tunebook.records import Estimate

By = Literal["validation", "test"]


@dataclass(frozen=True, eq=False)
class Finished:
    """One run with its scores.

    Attributes:
        scored: On the test rows.
        validation: On the validation rows, at the step whose weights were kept.
    """

    of: TaskRun
    scored: Scored
    validation: float | None

    def score(self, by: By) -> float | None:
        """Returns what runs are ranked by."""
        return self.validation if by == "validation" else self.scored.value


@dataclass(frozen=True, eq=False)
class Row:
    """A setting: the runs that differ in nothing but their seed.

    Attributes:
        rank: From 1.
        setting: What the plan sets, without the seed.
        planned: Number of runs that the plan has of this setting.
        validation: Mean over the runs, None where one of them has none.
        test: Mean over the runs, with the interval over test rows.
        deviation: Standard deviation of test scores over seeds, None of a single run.
        seconds: Mean wall time of training.
        share: Mean share of parameters that were trained.
        memory_mb: Largest resident set of any of the runs.
        train_rows: Mean number of training texts.
        difference: To the best, on the test rows that both were scored on; None of the best.
        p: Of the randomisation test against the best, None where there was none.
        p_corrected: The same, corrected for the number of tests (Holm).
        verdict: What the comparison says, in words.
    """

    rank: int
    setting: dict[str, Any]
    runs: tuple[Finished, ...]
    planned: int
    validation: float | None
    test: Estimate
    deviation: float | None
    seconds: float | None
    share: float | None
    memory_mb: float | None
    train_rows: float | None
    difference: Estimate | None = None
    p: float | None = None
    p_corrected: float | None = None
    verdict: str = ""

    @property
    def scores(self) -> list[Scored]:
        return [run.scored for run in self.runs]

    def score(self, by: By) -> float | None:
        """Returns what the row is ranked by."""
        return self.validation if by == "validation" else self.test.value


@dataclass(frozen=True)
class Unranked:
    """A run that is finished and stands in no table, and why."""

    entry: Entry
    reason: str


@dataclass(frozen=True)
class Table:
    """The ranked settings of one task of one case.

    Attributes:
        task: Name of the task, empty for the only one.
        by: What the order is made by.
        varied: Paths of the parameters that differ between settings.
        constant: The parameters that don't differ.
        split: Which split the runs are judged on; what is called test here, names and keys, is
            about that one.
        unit: ``row`` or ``group``: what is resampled and exchanged.
        units: How many of them the best was scored on.
        test_sets: Number of different test sets among the ranked runs.
        tests: Number of randomisation tests.
        unranked: Finished runs that couldn't be compared with these.
    """

    case: str
    task: str
    score: str
    lower_is_better: bool
    by: By
    level: float
    varied: tuple[str, ...]
    constant: Mapping[str, Any]
    rows: tuple[Row, ...]
    split: str
    unit: str
    units: int
    test_rows: int
    test_sets: int
    tests: int
    unranked: tuple[Unranked, ...]

    @property
    def judged(self) -> str:
        """What the column of the scores is called beside that of the validation scores."""
        return self.split if self.split != "validation" else "whole validation"

    @property
    def several_seeds(self) -> bool:
        return any(len(row.runs) > 1 for row in self.rows)
