"""From a source's rows to clean, labelled texts; collects every problem before raising."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tunebook.config import CaseConfig, GivenSplit, GroupedSplit
from tunebook.contracts import Card
from tunebook.data.dataset import SPLITS, Finding
from tunebook.errors import DataError, Problem, did_you_mean, shorten

MOST_EMPTY = 0.5
"""Above this share of empty cells the column is taken for the wrong one."""


@dataclass
class Cleaning:
    """Rows on their way to a data set, and what was found.

    Attributes:
        place: What messages call the source: its file or title.
        rows: Columns id, text, label and, where the split needs them, split and group.
        findings: In the order of the steps.
    """

    place: str
    rows: pd.DataFrame
    findings: list[Finding] = field(default_factory=list)

    def drop(self, mask: pd.Series, code: str, text: str) -> None:
        """Leaves out the rows in `mask` and notes how many they were."""
        count = int(mask.sum())
        if count:
            self.findings.append(Finding(code, f"{count} {text}", count, "warning"))
            self.rows = self.rows[~mask].reset_index(drop=True)


def clean(rows: pd.DataFrame, card: Card, case: CaseConfig) -> Cleaning:
    """Returns the rows that can be used.

    Rows with an empty text or label are left out and counted, unless most rows are so. A text
    that comes twice (letter case and outer spaces aside) with one label is kept once, in the
    split that is reported on rather than the one that is trained on; with several labels nobody
    knows which is right, so all its copies are left out.

    Raises:
        DataError: With every problem found.
    """
    place = card.source or card.title
    cleaning = Cleaning(place, select(rows, place, case))
    _raise(_cell_problems(cleaning.rows, place, case))
    cleaning.rows = cleaning.rows.assign(
        **{c: cleaning.rows[c].map(_name) for c in cleaning.rows if c != "text"}
    )
    _raise(_row_problems(cleaning.rows, place, case))
    _drop_empty(cleaning)
    _drop_duplicates(cleaning)
    return cleaning


def select(rows: pd.DataFrame, place: str, case: CaseConfig) -> pd.DataFrame:
    """Returns the columns that the case names, under tunebook's names for them.

    Raises:
        DataError: A column is missing or comes twice, or there are no rows.
    """
    rows = rows.set_axis(rows.columns.map(str), axis=1)
    wanted = _wanted_columns(case)
    twice = [name for name, count in Counter(rows.columns).items() if count > 1]
    problems = [_twice(place, name) for name in twice]
    if rows.empty:
        problems.append(Problem("data.empty", place, "rows", "none", "give a source with rows"))
    problems += [
        Problem(
            "data.unknown_column",
            where,
            f"a column of {place}",
            f"`{name}`",
            did_you_mean(name, list(rows.columns)),
        )
        for where, name in wanted.values()
        if len(rows.columns) and name not in rows.columns
    ]
    _raise(problems)
    columns = {ours: rows[name].to_numpy(dtype=object) for ours, (_, name) in wanted.items()}
    numbers_from_one = [str(number) for number in range(1, len(rows) + 1)]
    return pd.DataFrame({"id": numbers_from_one, **columns}, dtype=object)


def text_key(text: str) -> str:
    """Returns what two texts share that count as the same."""
    return text.strip().casefold()


def row_list(mask: Any, limit: int = 5) -> str:
    """Returns the numbers, from 1, of the rows in `mask`: ``rows 2, 5 and 7 more``."""
    found = [position + 1 for position, hit in enumerate(mask) if hit]
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    word = "row" if len(found) == 1 else "rows"
    return f"{word} {', '.join(map(str, found[:limit]))}{more}"


def name_list(names: Sequence[str], limit: int = 10) -> str:
    """Returns quoted names, cut to the first `limit`."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"`{name}`" for name in names[:limit]) + more


def _wanted_columns(case: CaseConfig) -> dict[str, tuple[str, str]]:
    """Returns, by our column, the config path that names the source's column, and that name."""
    wanted = {"text": ("task.text", case.task.text), "label": ("task.label", case.task.label)}
    if case.task.id is not None:
        wanted["id"] = ("task.id", case.task.id)
    if isinstance(case.split, GivenSplit):
        wanted["split"] = ("split.column", case.split.column)
    if isinstance(case.split, GroupedSplit):
        wanted["group"] = ("split.group", case.split.group)
    return wanted


def _cell_problems(rows: pd.DataFrame, place: str, case: CaseConfig) -> Iterator[Problem]:
    """Yields columns with cells that cannot be what the case takes them for."""
    for ours, (_, name) in _wanted_columns(case).items():
        is_right: Callable[[Any], bool] = _is_text if ours == "text" else _is_name
        missing = rows[ours].isna()
        wrong = ~missing & ~rows[ours].map(is_right).astype(bool)
        where = f"{place}, column `{name}`"
        if wrong.any():
            example = rows[ours][wrong].iloc[0]
            yield Problem(
                "data.not_text" if ours == "text" else "data.not_a_name",
                f"{where}, {row_list(wrong)}",
                "text in every row" if ours == "text" else "text or a whole number in every row",
                f"{int(wrong.sum())} of other types, such as {shorten(example)} "
                f"({type(example).__name__})",
                f"name another column, or make column `{name}` text",
            )
        elif ours == "text" and _share(rows[ours].map(_is_number)) > MOST_EMPTY:
            yield Problem(
                "data.not_text",
                where,
                "text",
                f"numbers, such as {shorten(rows[ours].dropna().iloc[0])}",
                "name the column that holds the text in `task.text`",
            )
        empty = _empty(rows[ours])
        if ours in ("text", "label") and _share(empty) > MOST_EMPTY:
            yield Problem(
                "data.mostly_empty",
                f"{where}, {row_list(empty)}",
                f"at most {MOST_EMPTY:.0%} empty cells",
                f"{int(empty.sum())} of {len(rows)}",
                f"name another column in `task.{ours}`, or fill the cells",
            )


def _row_problems(rows: pd.DataFrame, place: str, case: CaseConfig) -> Iterator[Problem]:
    """Yields what is wrong with ids, given splits and groups."""
    columns = {ours: name for ours, (_, name) in _wanted_columns(case).items()}
    for ours in ("id", "split", "group"):
        if ours in columns and (empty := rows[ours] == "").any():
            yield Problem(
                f"data.missing_{ours}",
                f"{place}, column `{columns[ours]}`, {row_list(empty)}",
                f"{'an' if ours == 'id' else 'a'} {ours} in every row",
                f"{int(empty.sum())} empty cells",
                "fill them, or leave these rows out",
            )
    twice = rows["id"].duplicated(keep=False) & (rows["id"] != "")
    if twice.any():
        shared = name_list(sorted(set(rows["id"][twice])))
        yield Problem(
            "data.duplicate_ids",
            f"{place}, column `{columns['id']}`, {row_list(twice)}",
            "ids that come once",
            f"{int(twice.sum())} rows that share an id: {shared}",
            "make the ids unique, or leave `task.id` out to number the rows",
        )
    if "split" in columns:
        yield from _split_problems(rows["split"], f"{place}, column `{columns['split']}`")


def _split_problems(splits: pd.Series, where: str) -> Iterator[Problem]:
    for name in sorted(set(splits) - {*SPLITS, ""}):
        yield Problem(
            "data.unknown_split",
            f"{where}, {row_list(splits == name)}",
            "train, validation or test",
            f"`{name}`",
            did_you_mean(name, SPLITS),
        )


def _drop_empty(cleaning: Cleaning) -> None:
    for column in ("text", "label"):
        cells = cleaning.rows[column]
        empty = cells.isna() | (cells.map(lambda cell: str(cell).strip()) == "")
        cleaning.drop(empty, f"data.empty_{column}", f"rows with an empty {column} were left out")


def _drop_duplicates(cleaning: Cleaning) -> None:
    keys = cleaning.rows["text"].map(text_key)
    ambiguous = cleaning.rows["label"].groupby(keys).transform("nunique") > 1
    cleaning.drop(
        ambiguous,
        "data.ambiguous_texts",
        "rows whose text also comes with another label were left out",
    )
    rows = cleaning.rows.assign(key=cleaning.rows["text"].map(text_key))
    if "split" in rows:  # a text that is tested on must not be trained on
        rank = rows["split"].map({"test": 0, "validation": 1, "train": 2})
        rows = rows.loc[rank.sort_values(kind="stable").index]
    again = rows["key"].duplicated().sort_index()
    cleaning.drop(again, "data.duplicates", "rows that repeat another text were left out")


def _empty(cells: pd.Series) -> pd.Series:
    blank = [isinstance(cell, str) and not cell.strip() for cell in cells]
    return cells.isna() | np.array(blank, dtype=bool)


def _is_text(cell: Any) -> bool:
    try:
        return isinstance(cell, str) and cell.encode() is not None
    except UnicodeEncodeError:  # a lone surrogate, which no tokenizer takes
        return False


def _is_name(cell: Any) -> bool:
    whole_number = isinstance(cell, numbers.Real) and float(cell).is_integer()
    return whole_number or _is_text(cell)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return isinstance(cell, str)


def _name(cell: Any) -> str:
    """Returns a label, id or group as text: ``3.0``, an integer beside a gap, becomes ``3``."""
    if cell is None or cell is pd.NA or cell != cell:
        return ""
    is_number = isinstance(cell, numbers.Real) and not isinstance(cell, numbers.Integral)
    return str(int(cell) if is_number else cell).strip()


def _share(mask: pd.Series) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _twice(place: str, name: str) -> Problem:
    return Problem(
        "data.duplicate_columns",
        place,
        "column names that come once",
        f"`{name}` more than once",
        "rename or remove one of them",
    )


def _raise(problems: Any) -> None:
    problems = list(problems)
    if problems:
        raise DataError(*problems)
