"""What a ranked table says, in sentences that claim no more than its tests do."""

from __future__ import annotations

from collections.abc import Iterator

from tunebook.batch.against_best import NOT_APART, TESTED, best_on
from tunebook.batch.comparing import SWAPS
from tunebook.batch.rows import Table
from tunebook.batch.scoring import RESAMPLES
from tunebook.batch.settings import in_words
from tunebook.evaluation.wording import words

FEW_UNITS = 20
"""With fewer rows or groups, intervals and tests are rough."""


def heading(table: Table) -> str:
    """Returns what a table is about."""
    return f"{table.case}, task {table.task}" if table.task else table.case


def summary(table: Table) -> Iterator[str]:
    """Yields what was chosen, and how sure the choice is."""
    if not table.rows:
        yield "No finished run could be scored; why is said below."
        return
    best, others = table.rows[0], table.rows[1:]
    name = in_words(best.setting, table.varied or best.setting)
    yield (
        f"Best on {best_on(table.by, table.split)}: {name}. "
        f"Its {table.split} {words(table.score)} is {best.test.value:.3f} "
        f"({table.level:.0%} interval {best.test.low:.3f} to {best.test.high:.3f})."
    )
    if not others:
        yield "There is nothing yet to compare it with."
        return
    told = sum(row.p is not None for row in others)
    alike = sum(row.verdict == NOT_APART for row in others)
    if told == 1:
        told_apart = f"{'not ' if alike else ''}told apart from it on the {table.split} texts"
        yield f"The other one is {told_apart}."
    elif told:
        verb = "is" if alike == 1 else "are"
        yield f"Of {told} settings tested against it, {alike} {verb} not told apart from it."


def notes(table: Table) -> Iterator[str]:
    """Yields how the numbers came about and what they leave out."""
    if not table.rows:
        return
    yield _order(table)
    unit = f"{table.unit}s" if table.units != 1 else table.unit
    whole = f"{table.units:,} {unit}"
    if table.test_sets > 1:
        whole = f"the {unit} of each of {table.test_sets} test sets ({table.units:,} in the first)"
    seeds = (
        f" Every seed of a setting sees the same resamples: an interval covers the choice of "
        f"{table.split} texts, and the choice of seeds only through their mean. How far seeds lie "
        "apart is the column “± over seeds”, their standard deviation."
        if table.several_seeds
        else " Each setting has one run: how far another seed would lie is not known."
    )
    yield (
        f"Intervals ({table.level:.0%}) come from {RESAMPLES:,} bootstrap resamples of "
        f"{whole}, the same ones for every run.{seeds}"
    )
    if table.tests:
        yield (
            f"Differences to the best are paired. Their p-values come from {SWAPS:,} random "
            f"exchanges of both settings' answers, {table.unit} by {table.unit}, corrected for "
            f"{table.tests} comparison{'s' if table.tests > 1 else ''} (Holm); the intervals "
            "beside them are not corrected."
        )
    if len(table.rows) > TESTED + 1:
        yield f"Only the {TESTED} settings next to the best are tested; the others have intervals."
    if table.units < FEW_UNITS:
        yield f"With {table.units} {unit} only, intervals and tests are rough."
    if table.test_sets > 1:
        yield (
            f"Seeds have {table.split} texts of their own here (limits draw them): settings are "
            "compared on those that both have."
        )


def _order(table: Table) -> str:
    if table.split == "validation":
        return (
            "No run was judged on test texts: all scores are those of validation texts, for "
            "choosing. They are somewhat too good, since each run's weights were chosen by them, "
            "and the best of many is a lucky one."
        )
    if table.by == "validation":
        return (
            "The order is that of validation scores, so that no choice is made by test texts. "
            "Validation scores are somewhat too good themselves: each run's weights were chosen "
            "by them, and the best of many is a lucky one."
        )
    count = len(table.rows)
    return (
        f"The order is that of test scores, so that the first of {count} is partly the luckiest on "
        "these texts and its test score is too good. Choose by validation, and report the test "
        "score of what was chosen."
    )
