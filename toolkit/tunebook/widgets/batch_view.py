"""A batch while it runs: what each run is at, and the ranking so far."""

from __future__ import annotations

import html
import threading
from typing import Any

import ipywidgets as ipw

from tunebook.batch.folder import BatchFolder
from tunebook.batch.reading import Batch
from tunebook.errors import TunebookError
from tunebook.progress import RunFollower
from tunebook.records import RunDirectory
from tunebook.tables import html_table
from tunebook.widgets.showing import Shown
from tunebook.widgets.view import RunView

LOOK_SECONDS = 1.0
SHOWN_FACTS = ("step", "loss", "time left")
OPEN = ("queued", "running")
"""States from which a run goes on."""


class BatchView(Shown):
    """Runs under way, the ranking of those that have ended, and failures; it keeps up with a batch
    that any process drives.

    Args:
        batch: See `tunebook.load_batch`.
    """

    def __init__(self, batch: Batch) -> None:
        self._folder: BatchFolder = batch.folder
        self._batch = batch
        self._seen: object = None
        self._views: dict[str, tuple[RunView, RunFollower]] = {}
        self._bar, self._running, self._ranking = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.widget = ipw.VBox(
            [self._bar, self._running, self._ranking], layout=ipw.Layout(max_width="900px")
        )
        self.refresh()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, daemon=True)
        self._thread.start()

    @property
    def going_on(self) -> bool:
        """Whether a run is under way or waits to be."""
        return any(entry.state in OPEN for entry in self._batch.entries)

    def close(self) -> None:
        """Ends the refreshing."""
        self._closed.set()
        self._thread.join(2 * LOOK_SECONDS)

    def refresh(self) -> None:
        """Shows how things stand; the ranking is made anew only where a run has ended."""
        batch = type(self._batch)(self._folder, self._batch.host)
        seen = self.stage(batch)
        if seen != self._seen:
            self._seen, self._batch = seen, batch
            self._ranking.value = self.ranking(batch)
        self._bar.value = self.bar(batch)
        under_way = [e.run for e in batch.entries if e.state == "running" and e.run]
        rows = [(run.run_id, *self._facts(run)) for run in under_way]
        header = ["run", "doing", *SHOWN_FACTS]
        self._running.value = html_table(rows, header) if rows else ""

    def stage(self, batch: Any) -> object:
        """Returns what the ranking depends on."""
        return [(entry.key, entry.state) for entry in batch.entries]

    def ranking(self, batch: Any) -> str:
        """Returns the results so far, as HTML."""
        found: str = batch._repr_html_()
        return found

    def bar(self, batch: Any) -> str:
        """Returns how far it is, as HTML."""
        states = [entry.state for entry in batch.entries]
        done = sum(state not in OPEN for state in states)
        name = html.escape(batch.id)
        return (
            f'<b>{name}</b> <progress aria-label="progress of {name}" value="{done}" '
            f'max="{max(len(states), 1)}" style="width:16em"></progress> {done} of {len(states)}'
        )

    def still(self) -> str:
        return f"<div>{self._bar.value}{self._running.value}{self._ranking.value}</div>"

    def _facts(self, run: RunDirectory) -> list[str]:
        if run.run_id not in self._views:
            view = RunView()
            self._views[run.run_id] = view, RunFollower(run.path, view)
        view, follower = self._views[run.run_id]
        follower.poll()
        facts = view.facts()
        return [view.state, *(facts.get(name, "") for name in SHOWN_FACTS)]

    def _keep_up(self) -> None:
        try:
            while self.going_on and not self._closed.wait(LOOK_SECONDS):
                self.refresh()
            if not self._closed.is_set():
                self.refresh()  # it may have ended while the last one was drawn
        except (TunebookError, OSError) as error:
            self._bar.value = f"<p>{html.escape(str(error))}</p>"
