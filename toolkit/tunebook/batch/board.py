"""All that a batch has come to: ranked tables, failures, and what is still to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunebook.batch.entry import Entry
from tunebook.batch.failures import Failure, group_failures
from tunebook.batch.kept import Kept
from tunebook.batch.ranking import rank
from tunebook.batch.rows import By, Table, Unranked
from tunebook.batch.scoring import Scorer, TaskRun, task_runs
from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.host import PluginHost

UNFINISHED = ("queued", "running")


@dataclass(frozen=True)
class Results:
    """What a leaderboard shows.

    Attributes:
        folder: The batch.
        entries: Everything that it is to run.
        tables: One for each case and task that has finished runs.
        unreadable: Runs that succeeded but whose folder or record cannot be used.
        failures: By cause.
    """

    folder: Path
    entries: tuple[Entry, ...]
    tables: tuple[Table, ...]
    unreadable: tuple[Unranked, ...]
    failures: tuple[Failure, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of entries in each state that occurs."""
        return dict(Counter(entry.state for entry in self.entries))

    @property
    def unfinished(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.state in UNFINISHED]


def collect(
    folder: Path,
    entries: Sequence[Entry],
    *,
    score: str | None = None,
    by: By = "validation",
    host: PluginHost | None = None,
) -> Results:
    """Returns the results of a batch as far as it is.

    Args:
        folder: The batch, beside which is kept what was worked out.
        entries: All its entries, in whatever state.
        score: What to rank by; the primary score of each case when None.
        by: Which rows the order is made by.
        host: Plugins, for the metrics; all installed ones when None.

    Raises:
        ConfigError: No finished run has a score of that name.
    """
    scorer = Scorer(host or PluginHost(), Kept(folder))
    runs: dict[tuple[str, str], list[TaskRun]] = {}
    unreadable = []
    for entry in entries:
        if entry.state == "succeeded":
            try:
                for run in task_runs(entry):
                    runs.setdefault((entry.case, run.task), []).append(run)
            except ConfigError as error:
                unreadable.append(_unreadable(entry, error))
    if score is not None:
        _check_score(score, [run for some in runs.values() for run in some])
    tables = [
        rank([entry for entry in entries if entry.case == case], some, scorer, score, by)
        for (case, _), some in runs.items()
    ]
    failures = group_failures(entries)
    return Results(folder, tuple(entries), tuple(tables), tuple(unreadable), tuple(failures))


def _check_score(score: str, runs: Sequence[TaskRun]) -> None:
    names = list(dict.fromkeys(name for run in runs for name in run.report.scores))
    if runs and score not in names:
        expected = "a score of the batch's runs"
        fix = did_you_mean(score, names)
        raise ConfigError(Problem("leaderboard.score", "--score", expected, f"`{score}`", fix))


def _unreadable(entry: Entry, error: ConfigError) -> Unranked:
    problem = error.problems[0]
    about = {"record.newer": "written by a newer tunebook: update tunebook to read it"}
    return Unranked(entry, about.get(problem.code, " ".join(problem.found.split())))
