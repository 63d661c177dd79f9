"""Reading a run's mistakes: from a cell of the confusion table to its texts, and to their words."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets as ipw

from tunebook.errors import TunebookError
from tunebook.runs import Run
from tunebook.widgets.buttons import button
from tunebook.widgets.paging import PagedTable
from tunebook.widgets.showing import Shown

COLUMNS = ("text", "pair", "label", "predicted", "confidence", "error")
MOST_BUTTONS = 60
"""Confusions that get a button, the most frequent ones."""
SHOWN_CLASSES = 24
"""Above so many classes the confusions are a list instead of a square."""
SHADE = "228,87,86"

Confusion = tuple[str, str]


class ErrorBrowser(Shown):
    """The mistakes of a run on the texts that it is judged on.

    Args:
        run: One that has succeeded; of several tasks one, see `Run.task`.

    Raises:
        ConfigError: The run has no result, or one for each task.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.classes = run.report.classes
        self.errors = run.errors(len(run.saved(run.place.errors)))
        self.confusions = self._confusions()
        self.table = PagedTable(COLUMNS, self._picked)
        self.chosen: Confusion | None = None
        self._heading = ipw.HTML()
        self._explanation = ipw.HTML()
        everything = button(f"all {len(self.errors):,} mistakes", lambda: self.choose(None))
        self.widget = ipw.VBox(
            [
                self._heading,
                everything,
                self._square() if self._fits() else self._list(),
                self.table.widget,
                self._explanation,
            ],
            layout=ipw.Layout(max_width="900px"),
        )
        self.choose(None)

    def choose(self, confusion: Confusion | None) -> None:
        """Shows the texts of one confusion, (label, predicted), or all mistakes."""
        self.chosen = confusion
        rows, told = self.errors, "mistakes, the surest first"
        if confusion is not None:
            label, predicted = confusion
            rows = rows[(rows["label"] == label) & (rows["predicted"] == predicted)]
            told = f"`{label}` taken for `{predicted}`"
        self._heading.value = f"<b>{html.escape(self.run.id)}</b>: {html.escape(told)}"
        self._explanation.value = ""
        self.table.show(rows)

    def still(self) -> str:
        frequent = "".join(
            f"<li>{count} × {html.escape(label)} → {html.escape(predicted)}</li>"
            for (label, predicted), count in [*self.confusions.items()][:10]
        )
        return f"<div>{self._heading.value}<ul>{frequent}</ul>{self.table.html}</div>"

    def _confusions(self) -> dict[Confusion, int]:
        """Returns how often a label is taken for another, the most frequent first; no numbers."""
        if not self.classes or self.errors.empty:
            return {}
        counts = self.errors.groupby(["label", "predicted"], sort=True).size()
        return {
            key: int(n) for key, n in counts.sort_values(ascending=False, kind="stable").items()
        }

    def _fits(self) -> bool:
        """Whether the confusions are pairs of classes, and few enough for a square."""
        names = {*self.classes}
        return len(names) <= SHOWN_CLASSES and all({*pair} <= names for pair in self.confusions)

    def _square(self) -> ipw.Widget:
        """Returns rows of true classes and columns of predicted ones; a cell with mistakes is a
        button."""
        size, most = len(self.classes), max(self.confusions.values(), default=1)
        place = {name: number for number, name in enumerate(self.classes, 1)}
        across = [
            ipw.HTML(
                f'<span title="{html.escape(name)}">{number}</span>',
                layout=ipw.Layout(grid_area=f"1 / {number + 1}"),
            )
            for name, number in place.items()
        ]
        down = [
            ipw.HTML(
                f'<span style="white-space:nowrap">{number} {html.escape(name)}</span>',
                layout=ipw.Layout(grid_area=f"{number + 1} / 1", overflow="hidden"),
            )
            for name, number in place.items()
        ]
        cells = []
        for (label, predicted), count in self.confusions.items():
            cell = self._cell((label, predicted), str(count), 0.15 + 0.75 * count / most)
            cell.layout.grid_area = f"{place[label] + 1} / {place[predicted] + 1}"
            cells.append(cell)
        columns = f"minmax(120px, 220px) repeat({size}, minmax(22px, 34px))"
        layout = ipw.Layout(grid_template_columns=columns, grid_gap="1px", overflow="auto")
        note = ipw.HTML("true class by row, predicted class by column; press a cell")
        return ipw.VBox([note, ipw.GridBox([*across, *down, *cells], layout=layout)])

    def _list(self) -> ipw.Widget:
        most = max(self.confusions.values(), default=1)
        buttons = [
            self._cell(pair, f"{count} × {pair[0]} → {pair[1]}", 0.15 + 0.75 * count / most)
            for pair, count in [*self.confusions.items()][:MOST_BUTTONS]
        ]
        return ipw.HBox(buttons, layout=ipw.Layout(flex_flow="row wrap"))

    def _cell(self, confusion: Confusion, text: str, share: float) -> ipw.Button:
        label, predicted = confusion
        told = f"{label} taken for {predicted}: {self.confusions[confusion]}"
        cell = button(text, lambda: self.choose(confusion), tooltip=told)
        cell.style.button_color = f"rgba({SHADE},{share:.2f})"
        cell.layout.padding, cell.layout.margin = "0 2px", "0"
        return cell

    def _picked(self, row: dict[str, Any]) -> None:
        """Says which words of a text the wrong answer hangs on."""
        try:
            found = self.run.explain(row["text"], pair=row.get("pair"))
        except TunebookError as error:  # the model's folder may be gone
            self._explanation.value = error._repr_html_()
            return
        self._explanation.value = found._repr_html_()
