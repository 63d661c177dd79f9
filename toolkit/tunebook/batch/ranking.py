"""One ranked table for each case and task of a batch.

The order is that of validation scores, unless somebody asks for that of test scores: the best of
many on the test rows is partly the luckiest on them, and its test score is then too good. What
validation has chosen has a test score that no choice was made by, and every other setting is
compared with that one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tunebook.batch.against_best import compare_with_best
from tunebook.batch.comparing import mean_estimate
from tunebook.batch.entry import Entry
from tunebook.batch.rows import By, Finished, Row, Table, Unranked
from tunebook.batch.scoring import Scorer, TaskRun
from tunebook.batch.settings import case_name, constant_of, name_of, setting_of, varied_of
from tunebook.errors import TunebookError

LEVEL = 0.95
"""Of the intervals, where the reports of the runs don't agree on one."""

OTHER_ROWS = (
    "scored on other texts or classes than the ranked runs, so that a difference could be "
    "one of the texts"
)


def rank(
    entries: Sequence[Entry], runs: Sequence[TaskRun], scorer: Scorer, score: str | None, by: By
) -> Table:
    """Returns the table of one task of one case.

    Args:
        entries: All that the batch has of the case.
        runs: Its finished runs, at least one, seen as that task.
        scorer: Scores them.
        score: What to rank by; the primary score of most of the runs when None.
        by: Which rows the order is made by; test rows where no run has a validation score.
    """
    chosen = score or Counter(run.report.primary for run in runs).most_common(1)[0][0]
    finished, unranked = _scored(runs, scorer, chosen)
    ranked, strangers = _comparable(_by_setting(finished))
    planned = Counter(name_of(setting_of(entry)) for entry in entries)
    reports = [run.of.report for some in ranked for run in some]
    levels = {report.level for report in reports}
    level = levels.pop() if len(levels) == 1 else LEVEL
    lower = bool(ranked) and scorer.is_minimised(ranked[0][0].of, chosen)
    rows = [_row(some, planned, level) for some in ranked]
    by = by if any(row.validation is not None for row in rows) else "test"
    ordered = _ordered(rows, by, lower)
    rows = compare_with_best(ordered, scorer, chosen, level=level, lower=lower, by=by)
    return Table(
        case=case_name(runs[0].entry.case),
        task=runs[0].task,
        score=chosen,
        lower_is_better=lower,
        by=by,
        level=level,
        varied=varied_of(entries),
        constant=constant_of(entries),
        rows=tuple(rows),
        split=reports[0].split if reports else "test",
        unit=reports[0].resampled if reports else "row",
        units=reports[0].units if reports else 0,
        test_rows=reports[0].rows if reports else 0,
        test_sets=len({run.scored.test for some in ranked for run in some}),
        tests=sum(row.p is not None for row in rows),
        unranked=(*unranked, *(Unranked(r.of.entry, OTHER_ROWS) for s in strangers for r in s)),
    )


def _scored(
    runs: Iterable[TaskRun], scorer: Scorer, score: str
) -> tuple[list[Finished], list[Unranked]]:
    finished, unranked = [], []
    for run in runs:
        try:
            scored = scorer.score(run, score)
            finished.append(Finished(run, scored, run.validation(score)))
        except (TunebookError, OSError) as error:
            problem = error.problems[0].found if isinstance(error, TunebookError) else str(error)
            unranked.append(Unranked(run.entry, problem))
    return finished, unranked


def _by_setting(finished: Sequence[Finished]) -> list[list[Finished]]:
    found: dict[str, list[Finished]] = {}
    for run in finished:
        found.setdefault(name_of(setting_of(run.of.entry)), []).append(run)
    return [*found.values()]


def _comparable(
    settings: Sequence[list[Finished]],
) -> tuple[list[list[Finished]], list[list[Finished]]]:
    """Parts settings into the most that hang together by common test sets, and the others."""
    parts: list[tuple[set[str], list[list[Finished]]]] = []
    for some in settings:
        tests = {run.scored.test for run in some}
        touching = [part for part in parts if part[0] & tests]
        joined = [each for part in touching for each in part[1]]
        parts = [part for part in parts if not part[0] & tests]
        parts.append((tests.union(*(part[0] for part in touching)), [*joined, some]))
    parts.sort(key=lambda part: -sum(map(len, part[1])))
    others = [some for part in parts[1:] for some in part[1]]
    order = [*map(id, settings)]
    first = sorted(parts[0][1], key=lambda some: order.index(id(some))) if parts else []
    return first, others


def _row(runs: Sequence[Finished], planned: Mapping[str, int], level: float) -> Row:
    records = [run.of.record for run in runs]
    scores = [run.scored.value for run in runs]
    validations = [run.validation for run in runs]
    setting = setting_of(runs[0].of.entry)
    memory = [record.peak_memory_mb for record in records if record.peak_memory_mb]
    return Row(
        rank=0,
        setting=setting,
        runs=tuple(runs),
        planned=planned[name_of(setting)],
        validation=None if None in validations else _mean(validations),
        test=mean_estimate([run.scored for run in runs], level),
        deviation=float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        seconds=_mean([record.seconds.get("training") for record in records]),
        share=_mean([record.parameters.get("share") for record in records]),
        memory_mb=max(memory, default=None),
        train_rows=_mean([(r.data.get("splits") or {}).get("train") for r in records]),
    )


def _mean(values: Sequence[Any]) -> float | None:
    known = [value for value in values if isinstance(value, int | float)]
    return float(np.mean(known)) if known else None


def _ordered(rows: Sequence[Row], by: By, lower: bool) -> list[Row]:
    """Returns the best first; of equals, what the plan names first."""

    def place(row: Row) -> float:
        value = row.score(by)
        return math.inf if value is None else value if lower else -value

    return [replace(row, rank=n) for n, row in enumerate(sorted(rows, key=place), 1)]
