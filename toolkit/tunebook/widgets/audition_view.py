"""An audition while it goes on: its budget, who is still in it, and what is being trained."""

from __future__ import annotations

from tunebook.audition.drawing import bar, results
from tunebook.audition.reading import Audition
from tunebook.widgets.batch_view import BatchView


class AuditionView(BatchView):
    """Candidates by rungs, as far as they are; it keeps up with an audition of any process.

    Args:
        batch: See `tunebook.load_audition`.
    """

    _batch: Audition

    @property
    def going_on(self) -> bool:
        """Whether more may come: between two rungs no run is under way."""
        return self._batch.held or super().going_on

    def stage(self, batch: Audition) -> object:
        """Returns what the ranking depends on."""
        done = [tried.done for tried in batch.file.rungs]
        return super().stage(batch), done, batch.file.ended, batch.held

    def ranking(self, batch: Audition) -> str:
        """Returns the candidates by rungs, as HTML."""
        return results(batch)

    def bar(self, batch: Audition) -> str:
        """Returns how much of the budget is used up, as HTML."""
        return bar(batch)
