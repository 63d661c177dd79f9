"""From a source's rows to clean, labelled texts; collects every problem before raising."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tunebook.config import CaseConfig, GivenSplit, GroupedSplit
from tunebook.contracts import Card
from tunebook.data.dataset import NOTHING_LEFT_OUT, SPLITS, Finding
from tunebook.errors import DataError, Problem, did_you_mean, shorten
from tunebook.forms import TaskForm, form_of
from tunebook.forms.cells import as_name, is_blank, is_name, is_text

TEXTS = ("text", "pair")
"""Columns that a model reads."""

MOST_EMPTY = 0.5
"""Above this share of empty cells the column is taken for the wrong one."""


@dataclass
class Cleaning:
    """Rows on their way to a data set, and what was found.

    Attributes:
        place: What messages call the source: its file or title.
        rows: Columns id, text, label and, where the case needs them, pair, split and group.
        findings: In the order of the steps.
        dropped: The rows that were left out, a table for each step that did so.
    """

    place: str
    rows: pd.DataFrame
    findings: list[Finding] = field(default_factory=list)
    dropped: list[pd.DataFrame] = field(default_factory=list)

    def drop(self, mask: pd.Series, code: str, text: str) -> None:
        """Leaves out the rows in `mask` and notes how many they were."""
        count = int(mask.sum())
        if count:
            self.findings.append(Finding(code, f"{count} {text}", count, "warning"))
            self.dropped.append(self.rows[mask].assign(finding=code))
            self.rows = self.rows[~mask].reset_index(drop=True)

    @property
    def left_out(self) -> pd.DataFrame:
        """The rows that were left out, with the code of the finding that says why."""
        return pd.concat(self.dropped, ignore_index=True) if self.dropped else NOTHING_LEFT_OUT


def clean(rows: pd.DataFrame, card: Card, case: CaseConfig) -> Cleaning:
    """Returns the rows that can be used.

    Rows with an empty text or label are left out and counted, unless most rows are so. A text
    that comes twice (letter case and outer spaces aside) with one label is kept once, in the
    split that is reported on rather than the one that is trained on; with several labels nobody
    knows which is right, so all its copies are left out. Where texts come in pairs, a pair counts
    as one text.

    Raises:
        DataError: With every problem found.
    """
    place = card.source or card.title
    form = form_of(case.task)
    cleaning = Cleaning(place, select(rows, place, case))
    _raise(_cell_problems(cleaning.rows, place, case, form))
    cleaning.rows = cleaning.rows.assign(
        **{c: cleaning.rows[c].map(as_name) for c in cleaning.rows if c not in (*TEXTS, "label")},
        label=_labels(cleaning.rows["label"], form),
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


def row_keys(rows: pd.DataFrame) -> pd.Series:
    """Returns what rows share whose texts, or pairs of texts, count as the same."""
    keys = [rows[column].map(text_key) for column in TEXTS if column in rows]
    return pd.Series([*zip(*keys, strict=True)], index=rows.index, dtype=object)


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
    if case.task.pair is not None:
        wanted["pair"] = ("task.pair", case.task.pair)
    if case.task.id is not None:
        wanted["id"] = ("task.id", case.task.id)
    if isinstance(case.split, GivenSplit):
        wanted["split"] = ("split.column", case.split.column)
    if isinstance(case.split, GroupedSplit):
        wanted["group"] = ("split.group", case.split.group)
    return wanted


def _cell_problems(
    rows: pd.DataFrame, place: str, case: CaseConfig, form: TaskForm
) -> Iterator[Problem]:
    """Yields columns with cells that cannot be what the case takes them for."""
    for ours, (path, column) in _wanted_columns(case).items():
        where = f"{place}, column `{column}`"
        if ours == "label":
            yield from _label_problems(rows["label"], where, column, form)
            empty = rows["label"].map(form.is_empty).astype(bool)
        else:
            yield from _type_problems(rows[ours], where, path, column)
            empty = _empty(rows[ours])
        if ours in (*TEXTS, "label") and _share(empty) > MOST_EMPTY:
            yield Problem(
                "data.mostly_empty",
                f"{where}, {row_list(empty)}",
                f"at most {MOST_EMPTY:.0%} empty cells",
                f"{int(empty.sum())} of {len(rows)}",
                f"name another column in `{path}`, or fill the cells",
            )


def _type_problems(cells: pd.Series, where: str, path: str, column: str) -> Iterator[Problem]:
    """Yields what is wrong with the types of a column of texts, ids, splits or groups."""
    holds_text = path in ("task.text", "task.pair")
    is_right: Callable[[Any], bool] = is_text if holds_text else is_name
    wrong = ~cells.isna() & ~cells.map(is_right).astype(bool)
    if wrong.any():
        yield Problem(
            "data.not_text" if holds_text else "data.not_a_name",
            f"{where}, {row_list(wrong)}",
            "text in every row" if holds_text else "text or a whole number in every row",
            _others(cells[wrong]),
            f"name another column, or make column `{column}` text",
        )
    elif holds_text and _share(cells.map(_is_number)) > MOST_EMPTY:
        yield Problem(
            "data.not_text",
            where,
            "text",
            f"numbers, such as {shorten(cells.dropna().iloc[0])}",
            f"name the column that holds the text in `{path}`",
        )


def _label_problems(cells: pd.Series, where: str, column: str, form: TaskForm) -> Iterator[Problem]:
    """Yields what is wrong with the cells of the label column, one problem for each fault."""
    codes = cells.map(form.fault)
    for code, expected in form.faults.items():
        wrong = codes == code
        if wrong.any():
            yield Problem(
                code,
                f"{where}, {row_list(wrong)}",
                expected,
                _others(cells[wrong]),
                f"mend these cells, leave their rows out, or name another column than `{column}` "
                "in `task.label`",
            )


def _others(cells: pd.Series) -> str:
    example = cells.iloc[0]
    return f"{len(cells)} others, such as {shorten(example)} ({type(example).__name__})"


def _labels(cells: pd.Series, form: TaskForm) -> pd.Series:
    """Returns what the cells of the label column hold, None where they are empty."""
    read = [None if form.is_empty(cell) else form.read(cell) for cell in cells]
    return pd.Series(read, index=cells.index, dtype=object)


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
    for column in (*TEXTS, "label"):
        if column not in cleaning.rows:
            continue
        cells = cleaning.rows[column]
        empty = cells.isna() | (cells.map(lambda cell: str(cell).strip()) == "")
        cleaning.drop(empty, f"data.empty_{column}", f"rows with an empty {column} were left out")


def _drop_duplicates(cleaning: Cleaning) -> None:
    keys = row_keys(cleaning.rows)
    ambiguous = cleaning.rows["label"].groupby(keys).transform("nunique") > 1
    cleaning.drop(
        ambiguous,
        "data.ambiguous_texts",
        "rows whose text also comes with another label were left out",
    )
    rows = cleaning.rows.assign(key=row_keys(cleaning.rows))
    if "split" in rows:  # a text that is tested on must not be trained on
        rank = rows["split"].map({"test": 0, "validation": 1, "train": 2})
        rows = rows.loc[rank.sort_values(kind="stable").index]
    again = rows["key"].duplicated().sort_index()
    cleaning.drop(again, "data.duplicates", "rows that repeat another text were left out")


def _empty(cells: pd.Series) -> pd.Series:
    return cells.isna() | cells.map(is_blank).astype(bool)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return isinstance(cell, str)


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
