"""Runs side by side: scores with intervals, paired differences, curves, texts they disagree on."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets as ipw
import pandas as pd

from tunebook.errors import ConfigError, Problem, TunebookError
from tunebook.events import event_of, read_events
from tunebook.runs import Run
from tunebook.tables import html_table
from tunebook.widgets.curves import line_chart
from tunebook.widgets.paging import PagedTable
from tunebook.widgets.showing import Shown
from tunebook.widgets.view import RunView, smoothed

MOST_RUNS = 4
"""As many as there are colours for curves."""
SMOOTHING = 0.6
COLUMNS = ("text", "pair", "label", "first", "other", "who is right")


class RunComparison(Shown):
    """Two to four runs.

    Args:
        runs: They are compared with the first of them.

    Raises:
        ConfigError: There are fewer than two or more than four, one comes twice, or one has no
            result.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = {run.id: run for run in runs}
        _check(runs, self.runs)
        self.first, *self.others = self.runs.values()
        self.table = PagedTable(COLUMNS)
        self.other = ipw.Dropdown(
            description="against", options=[(_name(run), run.id) for run in self.others]
        )
        self.other.observe(lambda _: self._compare(), "value")
        self._difference = ipw.HTML()
        half = ipw.Layout(flex="1 1 380px")
        charts = [ipw.HTML(chart, layout=half) for chart in self._charts()]
        self.widget = ipw.VBox(
            [
                ipw.HTML(self._scores()),
                ipw.HBox(charts, layout=ipw.Layout(flex_flow="row wrap")),
                self.other,
                self._difference,
                self.table.widget,
            ],
            layout=ipw.Layout(max_width="900px"),
        )
        self._compare()

    def still(self) -> str:
        charts = "".join(self._charts())
        return f"<div>{self._scores()}{charts}{self._difference.value}{self.table.html}</div>"

    def _scores(self) -> str:
        names = [*self.first.report.scores]
        rows = [
            (name.replace("_", " "), *(_score(run, name) for run in self.runs.values()))
            for name in names
        ]
        about = [
            (
                "trained",
                *(f"{r.record.parameters.get('share', 0):.2%}" for r in self.runs.values()),
            ),
            ("seconds", *(f"{r.record.seconds.get('total', 0):.0f}" for r in self.runs.values())),
        ]
        return html_table(
            [*rows, *about], [self.first.report.split, *(_name(run) for run in self.runs.values())]
        )

    def _charts(self) -> list[str]:
        views = {_name(run): _view(run) for run in self.runs.values()}
        losses = {name: smoothed(view.losses, SMOOTHING) for name, view in views.items()}
        primary = self.first.report.primary
        scores = {name: view.scores.get(primary, []) for name, view in views.items()}
        title = f"Validation {primary.replace('_', ' ')}"
        return [line_chart("Training loss", losses), line_chart(title, scores)]

    def _compare(self) -> None:
        other = self.runs[self.other.value]
        try:
            difference = self.first.compare(other)
        except TunebookError as error:  # of other texts or classes
            self._difference.value = error._repr_html_()
            self.table.show(pd.DataFrame())
            return
        texts = f"{self.first.report.split} texts"
        told = f"{_name(self.first)} minus {_name(other)}, on the same resamples of the {texts}"
        self._difference.value = f"<p>{html.escape(told)}</p>{difference.to_html()}"
        self.table.show(_disagreements(self.first, other))


def _check(runs: Sequence[Run], known: dict[str, Run]) -> None:
    if not 2 <= len(runs) <= MOST_RUNS or len(known) < len(runs):
        fix = "give different runs, such as [tunebook.load_run(a), tunebook.load_run(b)]"
        found = f"{len(runs)} runs, {len(known)} of them different"
        expected = f"2 to {MOST_RUNS} runs"
        raise ConfigError(Problem("browse.runs", "browse", expected, found, fix))
    for run in runs:
        run.saved(run.place.predictions)  # raises where there is no result


def _name(run: Run) -> str:
    return f"{run.record.strategy} s{run.record.seed} {run.id[-4:]}"


def _score(run: Run, name: str) -> str:
    return str(run.report.scores.get(name, ""))


def _view(run: Run) -> RunView:
    view = RunView()
    for content in read_events(run.directory.events_file):
        if event := event_of(content):
            view(event)
    return view


def _disagreements(first: Run, other: Run) -> pd.DataFrame:
    """Returns the texts of which the two say something else."""
    ours, theirs = (run.saved(run.place.predictions) for run in (first, other))
    ours, theirs = ours.reset_index(drop=True), theirs.reset_index(drop=True)
    told = ours.assign(first=ours["predicted"], other=theirs["predicted"])
    if "correct" in ours:
        right = {(True, False): "first", (False, True): "other"}
        pairs = zip(ours["correct"], theirs["correct"], strict=True)
        told["who is right"] = [right.get((bool(a), bool(b)), "neither") for a, b in pairs]
    return told[told["first"] != told["other"]]
