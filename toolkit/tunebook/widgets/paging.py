"""A table that is leafed through and searched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw
import pandas as pd

from tunebook.tables import html_table
from tunebook.widgets.buttons import button

PAGE = 10
LONGEST = 400
"""Characters of a cell."""


class PagedTable:
    """Rows of a table, a page at a time, those that hold what is searched for.

    Args:
        columns: What is shown of a table, where it is there.
        pick: Called with a row when somebody picks it; None where that means nothing.
    """

    def __init__(
        self, columns: tuple[str, ...], pick: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self._columns = columns
        self._pick = pick
        self._rows = self._found = pd.DataFrame()
        self._first = 0
        self._search = ipw.Text(
            description="search", placeholder="part of a text", continuous_update=False
        )
        self._search.observe(lambda _: self._filter(), "value")
        self._back = button("previous", lambda: self._turn(-PAGE), icon="arrow-left")
        self._on = button("next", lambda: self._turn(PAGE), icon="arrow-right")
        self._told, self._table = ipw.HTML(), ipw.HTML()
        self._chosen = ipw.Dropdown(description="row", options=[("", None)])
        self._chosen.observe(lambda _: self._picked(), "value")
        self._chosen.layout.display = "none" if pick is None else None
        wrap = ipw.Layout(flex_flow="row wrap", align_items="center")
        head = ipw.HBox([self._search, self._back, self._on, self._told], layout=wrap)
        self.widget = ipw.VBox([head, self._table, self._chosen])

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the page that is open."""
        return self._found.iloc[self._first : self._first + PAGE]

    @property
    def html(self) -> str:
        """The page that is open, as HTML."""
        return f"<p>{self._told.value}</p>{self._table.value}"

    def show(self, rows: pd.DataFrame) -> None:
        """Shows other rows, from the first on."""
        self._rows = rows
        self._filter()

    def _filter(self) -> None:
        wanted = self._search.value.strip().casefold()
        self._found = self._rows
        if wanted:
            names = [name for name in ("text", "pair") if name in self._rows]
            texts = self._rows[names].astype(str).agg(" ".join, axis=1) if len(self._rows) else []
            hits = [wanted in text.casefold() for text in texts]
            self._found = self._rows[pd.Series(hits, index=self._rows.index, dtype=bool)]
        self._turn(-self._first)

    def _turn(self, by: int) -> None:
        count = len(self._found)
        self._first = max(0, min(self._first + by, (count - 1) // PAGE * PAGE))
        page = self.rows
        last = self._first + len(page)
        self._told.value = (
            f"{self._first + 1:,} to {last:,} of {count:,} rows" if count else "no rows"
        )
        self._back.disabled, self._on.disabled = self._first == 0, last >= count
        shown = [name for name in self._columns if name in page]
        self._table.value = _table(page[shown], self._first + 1)
        self._chosen.options = [
            ("", None),
            *((str(self._first + 1 + n), n) for n in range(len(page))),
        ]

    def _picked(self) -> None:
        if self._pick is not None and self._chosen.value is not None:
            self._pick(self.rows.iloc[self._chosen.value].to_dict())


def _table(rows: pd.DataFrame, first: int) -> str:
    if rows.empty:
        return ""
    cells = rows.itertuples(index=False)
    numbered = ((number, *map(_cell, row)) for number, row in enumerate(cells, first))
    return html_table(numbered, ["", *rows])


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
