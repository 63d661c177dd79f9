"""What an audition says, in sentences that claim no more than its tests do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tunebook.audition.halving import FEWEST
from tunebook.evaluation.wording import words
from tunebook.progress import duration

if TYPE_CHECKING:
    from tunebook.audition.halving import Rung
    from tunebook.audition.reading import Audition, RungResult


def summary(audition: Audition) -> Iterator[str]:
    """Yields who is best, how sure that is, and what it stands on."""
    last = audition.last
    if last is None:
        yield "No rung is done yet: there is nothing to choose by."
        return
    yield _best(last)
    yield from _others(audition, last)
    yield _stands_on(audition, last)
    if last.tried.rung.seeds == 1:
        yield "Each candidate had one seed: how far another one would lie is not known."
    yield (
        "These are validation scores, by which the best step of each run was chosen too, and the "
        "best of several is partly the luckiest; so with many equal ones, some are called worse by "
        "chance more often than p says. Run the one you choose once more, for its score on the "
        "test rows, which nothing here has seen."
    )


def rung_heading(audition: Audition, rung: RungResult) -> str:
    """Returns what a rung is, in a line."""
    tried = rung.tried.rung
    rows = f"{tried.rows:,} of {audition.file.all_rows:,} training rows"
    return f"rung {rung.number}: {counted(tried)}, {rows}"


def counted(rung: Rung) -> str:
    """Returns how many candidates a rung has, and runs of each."""
    seeds = f"{rung.seeds} seed{'s' if rung.seeds > 1 else ''}"
    return f"{len(rung.candidates)} candidates, {seeds} each"


def begins(audition: Audition) -> str:
    """Returns what is about to be tried, in a line."""
    rung = audition.rungs[-1]
    predicted = rung.tried.rung.predicted
    told = f", about {duration(predicted)}" if predicted is not None else ""
    return f"{rung_heading(audition, rung)}{told}; {budget(audition)} used"


def ends(audition: Audition) -> str:
    """Returns what the last rung has shown, in a line."""
    rung = audition.rungs[-1]
    best = next(iter(rung.rows), "nobody")
    return f"rung {rung.number} is done: {best} is ahead; {budget(audition)} used"


def budget(audition: Audition) -> str:
    """Returns what is used up of the budget."""
    return f"{duration(audition.file.spent)} of {duration(audition.plan.budget)}"


def _best(last: RungResult) -> str:
    name, row = next(iter(last.rows.items()))
    assert last.table is not None
    return (
        f"Best: {name}, validation {words(last.table.score)} {row.test.value:.3f} "
        f"({last.table.level:.0%} interval {row.test.low:.3f} to {row.test.high:.3f}) on "
        f"{last.tried.rung.rows:,} training rows."
    )


def _others(audition: Audition, last: RungResult) -> Iterator[str]:
    name, *others = last.rows
    if not others:
        yield "Nothing is left to compare it with."
        return
    alike = audition.equals
    tested = [name for name in others if last.rows[name].p is not None]
    if not alike and len(tested) == len(others):
        yield f"It is told apart from {'the other' if len(others) == 1 else 'all others'}."
    if not alike:
        return
    yield f"Not told apart from it: {', '.join(alike)}."
    quickest, best = last.rows[alike[0]].seconds, last.rows[name].seconds
    if quickest and best and quickest < best:
        yield f"Of these, {alike[0]} trained in {quickest / best:.2f} of its time."


def _stands_on(audition: Audition, last: RungResult) -> str:
    rows, whole = last.tried.rung.rows, audition.file.all_rows
    spent = f"{budget(audition)} were used"
    if rows >= whole:
        return f"That is on all training rows; {spent}."
    if not audition.file.ended:
        return f"So far it has got to {rows:,} of {whole:,} training rows; {spent}."
    if len(last.rows) < FEWEST or not audition.rungs[-1].rows:
        return f"It ended on {rows:,} of {whole:,} training rows, with nobody to compare; {spent}."
    return (
        f"The case has {whole:,} training rows, and the budget was enough to compare on {rows:,}: "
        f"on all of them the order may be another one, and a larger budget goes on; {spent}."
    )
