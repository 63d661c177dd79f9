"""The view that suits a thing: data, a run's mistakes, several runs, a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tunebook.audition.reading import Audition
from tunebook.batch.reading import Batch
from tunebook.data.dataset import Dataset
from tunebook.errors import ConfigError, Problem, shorten
from tunebook.runs import Run
from tunebook.widgets.audition_view import AuditionView
from tunebook.widgets.batch_view import BatchView
from tunebook.widgets.data_browser import DataBrowser
from tunebook.widgets.error_browser import ErrorBrowser
from tunebook.widgets.run_comparison import RunComparison
from tunebook.widgets.showing import Shown

VIEWS: Sequence[tuple[type, Callable[[Any], Shown]]] = (
    (Dataset, DataBrowser),
    (Run, ErrorBrowser),
    (Audition, AuditionView),
    (Batch, BatchView),
    (list, RunComparison),
)
"""The widgets for each kind of thing."""


def browse(thing: Dataset | Run | Batch | Sequence[Run]) -> Shown:
    """Returns widgets to look through data or results with; a notebook shows them.

    Args:
        thing: A data set from `load_dataset`: its texts by split, label and finding, including
            those that were left out. A run: its mistakes by confusion, and the words that decided.
            A batch or an audition: its ranking, even while it runs. Two to four runs: side by side.

    Raises:
        ConfigError: It is none of these, or a run has no result.
    """
    many = isinstance(thing, Sequence) and all(isinstance(each, Run) for each in thing)
    wanted = list(thing) if many else thing  # type: ignore[arg-type]
    for kind, view in VIEWS:
        if isinstance(wanted, kind) and (kind is not list or many):
            return view(wanted)
    expected = "a data set, a run, a batch, an audition, or a list of runs"
    fix = "see tunebook.load_dataset, load_run, load_batch and load_audition"
    raise ConfigError(Problem("browse.thing", "browse", expected, shorten(thing), fix))
