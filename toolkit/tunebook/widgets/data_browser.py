"""Looking through the texts of a case: by split, by label, and by what was found about them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets as ipw
import pandas as pd

from tunebook.data.dataset import SPLITS, Dataset, Finding
from tunebook.widgets.buttons import button
from tunebook.widgets.paging import PagedTable
from tunebook.widgets.showing import Shown

COLUMNS = ("id", "text", "pair", "label", "split", "group", "origin", "finding")
ALL = "all"


class DataBrowser(Shown):
    """The rows of a data set, and those that were left out.

    Args:
        dataset: What `tunebook.load_dataset` returns.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.table = PagedTable(COLUMNS)
        rows = dataset.rows
        self.split = _choice("split", [name for name in SPLITS if (rows["split"] == name).any()])
        self.label = _choice("label", dataset.classes)
        kept = (f"{len(rows):,} rows that are used", "")
        self.finding = ipw.Dropdown(
            description="rows", options=[kept, *((_named(f), f.code) for f in self._clickable())]
        )
        for choice in (self.split, self.label, self.finding):
            choice.observe(lambda _: self._select(), "value")
        wrap = ipw.Layout(flex_flow="row wrap")
        self.widget = ipw.VBox(
            [
                ipw.HTML(self._heading()),
                ipw.VBox([self._told(finding) for finding in dataset.findings]),
                ipw.HBox([self.finding, self.split, self.label], layout=wrap),
                self.table.widget,
            ],
            layout=ipw.Layout(max_width="900px"),
        )
        self._select()

    def still(self) -> str:
        found = "".join(f"<li>{html.escape(each.text)}</li>" for each in self.dataset.findings)
        return f"<div>{self._heading()}<ul>{found}</ul>{self.table.html}</div>"

    def _heading(self) -> str:
        counts = self.dataset.rows["split"].value_counts()
        told = ", ".join(f"{counts[name]:,} {name}" for name in SPLITS if name in counts)
        return f"<b>{html.escape(self.dataset.card.title)}</b>: {told}"

    def _clickable(self) -> list[Finding]:
        """Returns the findings whose rows can be shown."""
        codes = {*self.dataset.left_out["finding"]}
        return [finding for finding in self.dataset.findings if finding.code in codes]

    def _told(self, finding: Finding) -> ipw.Widget:
        """Returns a finding: a button where it has rows, else a line."""
        icon = {"warning": "exclamation-triangle"}.get(finding.level, "info-circle")
        if finding not in self._clickable():
            return ipw.HTML(html.escape(finding.text))
        return button(
            finding.text,
            lambda: setattr(self.finding, "value", finding.code),
            icon=icon,
            tooltip=f"show the rows of {finding.code}",
        )

    def _select(self) -> None:
        code = self.finding.value
        rows = self.dataset.left_out if code else self.dataset.rows
        self.split.disabled = bool(code)  # they were left out before the split
        rows = rows[rows["finding"] == code] if code else rows
        if not code and self.split.value != ALL:
            rows = rows[rows["split"] == self.split.value]
        if self.label.value != ALL:
            rows = rows[self._has(rows["label"], self.label.value)]
        self.table.show(rows.assign(label=[self._words(label) for label in rows["label"]]))

    def _words(self, label: Any) -> Any:
        return "" if label is None else self.dataset.form.told(label)

    def _has(self, labels: pd.Series, name: str) -> pd.Series:
        form = self.dataset.form
        found = [label is not None and name in form.names(label) for label in labels]
        return pd.Series(found, index=labels.index, dtype=bool)


def _choice(name: str, options: Sequence[str]) -> ipw.Dropdown:
    return ipw.Dropdown(description=name, options=[ALL, *options])


def _named(finding: Finding) -> str:
    return f"{finding.count:,}: {finding.code}"
