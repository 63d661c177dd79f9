"""The runs that have succeeded, ranked, each beside those that were scored on the same test rows.

Order comes from the validation split. The test scores are told with their intervals; choosing by
them makes the first look too good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.host import PluginHost
from tunebook.records import RunDirectory, RunRecord, iter_records

if TYPE_CHECKING:
    from tunebook.batch.scoring import TaskRun

By = Literal["validation", "test"]
Records = Iterable[tuple[RunDirectory, RunRecord | ConfigError]]


@dataclass(frozen=True, order=True)
class Group:
    """What runs have to share so that their scores can be compared.

    Attributes:
        test: Names the test set: a hash of ids, texts, labels and groups, of the classes, and of
            what is resampled.
    """

    case: str
    task: str
    score: str
    test: str


def results(
    runs_dir: Path,
    host: PluginHost,
    *,
    case: str | None = None,
    by: By = "validation",
    top: int = 10,
    records: Records | None = None,
) -> dict[str, Any]:
    """Returns the best runs of every group, the group with the newest run first.

    Args:
        runs_dir: Where runs lie, those of batches included.
        host: Plugins; metrics know which way their scores are better.
        case: Only runs of this case.
        by: What they are ranked by.
        top: How many of each group.
        records: The runs to choose from with their records; all in `runs_dir` when None.

    Raises:
        ConfigError: No run is of that case.
    """
    found: dict[Group, list[TaskRun]] = defaultdict(list)
    skipped = []
    given = iter_records(runs_dir) if records is None else records
    for run, record in _succeeded(runs_dir, given, case):
        try:
            for each in _task_runs(run, record):
                found[_group_of(each)].append(each)
        except (ConfigError, OSError, ValueError, KeyError) as error:
            skipped.append({"run_id": run.run_id, "reason": _why(error)})
    groups = [_told(group, runs, host, by, top) for group, runs in found.items()]
    groups.sort(key=lambda group: group["newest"], reverse=True)
    return {"by": by, "groups": groups, "skipped": skipped}


def _succeeded(
    runs_dir: Path, given: Records, case: str | None
) -> Iterator[tuple[RunDirectory, RunRecord]]:
    records = [(run, r) for run, r in given if isinstance(r, RunRecord)]
    cases = sorted({record.case for _, record in records})
    if case is not None and case not in cases:
        fix = did_you_mean(case, cases) if cases else f"there are no runs in {runs_dir}"
        found = f"none of `{case:.100}`"
        raise ConfigError(Problem("results.no_case", "--case", "a case with runs", found, fix))
    for run, record in records:
        if record.status == "succeeded" and case in (None, record.case):
            yield run, record


def _task_runs(run: RunDirectory, record: RunRecord) -> list[TaskRun]:
    from tunebook.batch.entry import Entry
    from tunebook.batch.scoring import task_runs

    return [*task_runs(Entry(run.run_id, record.case, {}, "succeeded", run))]


def _group_of(run: TaskRun) -> Group:
    from tunebook.batch.scoring import test_digest

    test = test_digest(run).hex()[:12]
    run.forget()
    return Group(run.record.case, run.task, run.report.primary, test)


def _told(
    group: Group, runs: Sequence[TaskRun], host: PluginHost, by: By, top: int
) -> dict[str, Any]:
    lower = _lower_is_better(host, runs[0], group.score)
    ranked = sorted(runs, key=lambda run: _place(run, group.score, by, lower))
    rows = [_row(rank, run, group.score) for rank, run in enumerate(ranked[:top], 1)]
    return {
        "case": group.case,
        "task": group.task or None,
        "score": group.score,
        "lower_is_better": lower,
        "split": runs[0].report.split,
        "test": group.test,
        "test_rows": runs[0].report.rows,
        "level": runs[0].report.level,
        "runs": len(runs),
        "newest": max(run.record.started for run in runs),
        "rows": rows,
    }


def _place(run: TaskRun, score: str, by: By, lower: bool) -> tuple[bool, float, float]:
    value = run.validation(score) if by == "validation" else run.report.scores[score].value
    better = 0.0 if value is None else value if lower else -value
    return value is None, better, run.record.started


def _row(rank: int, run: TaskRun, score: str) -> dict[str, Any]:
    record, report = run.record, run.report
    return {
        "rank": rank,
        "run_id": run.run.run_id,
        "path": str(run.run.path),
        "strategy": record.strategy,
        "seed": record.seed,
        "validation": run.validation(score),
        "test": report.scores[score].model_dump(),
        "against": {
            each.against: each.difference.model_dump()
            for each in report.comparisons
            if each.score == score
        },
        "seconds": record.seconds.get("total"),
        "share_trained": record.parameters.get("share"),
        "steered": bool(record.controls),
    }


def _lower_is_better(host: PluginHost, run: TaskRun, score: str) -> bool:
    names = [content["kind"] for content in run.case.get("metrics", [])]
    there = {*host.names("metric")}
    return any(score in host.get("metric", n).lower_is_better for n in names if n in there)


def _why(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return f"{error.problems[0].code}: {error.problems[0].found}"
    return f"its predictions can't be read: {type(error).__name__}: {error}"
