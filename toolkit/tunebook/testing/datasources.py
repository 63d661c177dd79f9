"""What a data source promises: a table of records, the same each time, and who made it."""

from __future__ import annotations

from typing import Any

from tunebook.contracts import SourceData
from tunebook.errors import TunebookError, shorten
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, built, check, demand

CARD = ("title", "description", "licence", "how_split")
"""What a card must say; source and version are left empty where nobody knows them."""


def _reads_a_path(descriptor: Any) -> bool:
    return built(descriptor) and "path" in descriptor.config.model_fields


def _loaded(candidate: Candidate) -> SourceData:
    """Returns the data, read once for all checks of a candidate."""
    source = candidate.once("loaded", lambda: candidate.create().load())
    demand(isinstance(source, SourceData), f"load gives {shorten(source)}", "return a SourceData")
    return source


@check("datasource")
def global_generators_are_not_drawn_from(candidate: Candidate) -> None:
    """Loading draws no global random number and seeds nothing."""
    from tunebook.testing.generators import untouched_generators

    with untouched_generators("loading"):
        _loaded(candidate)


@check("datasource")
def rows_are_a_table(candidate: Candidate) -> None:
    """The rows are a DataFrame with at least one row, and every column has its own name."""
    import pandas as pd

    rows = _loaded(candidate).rows
    demand(isinstance(rows, pd.DataFrame), f"rows: {type(rows).__name__}", "give a DataFrame")
    demand(len(rows), "no rows", "raise a DataError that says why there are none")
    names = [*rows.columns]
    demand(
        len({*names}) == len(names) and all(isinstance(name, str) for name in names),
        f"columns {shorten(names)}",
        "give each column a name of its own",
    )


@check("datasource")
def card_is_filled(candidate: Candidate) -> None:
    """The card says what the data are, under which licence, and how they are to be split."""
    card = _loaded(candidate).card
    empty = [name for name in CARD if not str(getattr(card, name, "")).strip()]
    demand(not empty, f"empty: {', '.join(empty)}", "fill it, or write `not stated`")


@check("datasource")
def synonyms_can_be_looked_up(candidate: Candidate) -> None:
    """Synonyms stand under case-folded terms, as lists that aren't empty."""
    table = _loaded(candidate).synonyms
    wrong = [
        term
        for term, others in table.items()
        if term != term.casefold() or isinstance(others, str) or not others
    ]
    demand(not wrong, f"wrong: {shorten(wrong)}", "write {term.casefold(): [synonym, …]}")


@check("datasource")
def it_loads_the_same_twice(candidate: Candidate) -> None:
    """Loaded again the rows are equal, in the same order."""
    first, again = _loaded(candidate).rows, candidate.create().load().rows
    demand(first.equals(again), "other rows, or another order", "sort what has no order of its own")


@check("datasource", applies=_reads_a_path)
def missing_file_is_told(candidate: Candidate) -> None:
    """A file that isn't there is told by an error that says what to do."""
    nowhere = str(candidate.scratch / "no such file")
    try:
        candidate.create(path=nowhere).load()
    except TunebookError as error:
        fixes = [problem.fix for problem in error.problems]
        demand(all(fixes), "an error without advice", "say in `fix` what to do")
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise CheckFailed(found, "raise a DataError with a Problem") from error
    else:
        raise CheckFailed("it loads a file that isn't there", "raise a DataError")
