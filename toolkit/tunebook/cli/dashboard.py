"""A run as one picture in a terminal."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TextIO

from tunebook.environment import memory_of
from tunebook.events import Evaluated, Event, StageStarted, StepTaken
from tunebook.ownership import owner
from tunebook.progress import ProgressState, describe, duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tunebook.records import RunDirectory

REDRAWS_PER_SECOND = 4
CURVE_WIDTH = 60
LINES = 6
BLOCKS = "▁▂▃▄▅▆▇█"


class Dashboard:
    """Shows what a run does, told of its events.

    Args:
        run: Its directory.
        stream: A terminal.
    """

    def __init__(self, run: RunDirectory, stream: TextIO) -> None:
        self._run = run
        self._stream = stream
        self._state = ProgressState()
        self._losses: list[float] = []
        self._told: deque[str] = deque(maxlen=LINES)
        self._best: Evaluated | None = None
        self._live: Any = None

    def __enter__(self) -> Dashboard:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            get_renderable=self.picture,
            console=Console(file=self._stream),
            refresh_per_second=REDRAWS_PER_SECOND,
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        self._state.update(event)
        if isinstance(event, StageStarted):
            self._losses.clear()
        elif isinstance(event, StepTaken) and event.loss is not None:
            self._losses.append(event.loss)
        elif isinstance(event, Evaluated) and event.best:
            self._best = event
        if not isinstance(event, StepTaken):
            self._told.append(describe(event))

    def picture(self) -> RenderableType:
        """Returns the picture of now."""
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name, value in self._rows():
            table.add_row(Text(name, style="dim"), Text(value))
        return Panel(table, title=Text(self._run.run_id), expand=False)

    def _rows(self) -> list[tuple[str, str]]:
        state, step = self._state, self._state.step
        rows = [("stage", state.stage + (", paused" if state.paused else ""))]
        if step is not None:
            done = round(state.share * CURVE_WIDTH)
            rows += [
                ("progress", "█" * done + "░" * (CURVE_WIDTH - done)),
                ("step", f"{step.step} of {step.total_steps}, epoch {step.epoch:.2f}"),
                ("left", duration(step.seconds_left)),
                ("rate", f"{step.learning_rate:.3g}"),
                ("speed", f"{step.examples_per_second:.0f} examples/s"),
            ]
        if self._losses:
            rows.append(("loss", f"{self._losses[-1]:.4f}"))
            rows.append(("", spark(self._losses, CURVE_WIDTH)))
        if self._best is not None:
            scores = "  ".join(f"{n} {v:.3f}" for n, v in [*self._best.scores.items()][:4])
            rows.append(("best", f"{scores}  at step {self._best.step}"))
        memory = memory_of(owner(self._run.path))
        if memory is not None:
            rows.append(("memory", f"{memory:,.0f} MB"))
        return rows + [("", line) for line in self._told if line]


def spark(values: list[float], width: int) -> str:
    """Returns a curve of one line: means of equal parts, from the lowest to the highest."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    count = min(width, len(finite))
    edges = [round(n * len(finite) / count) for n in range(count + 1)]
    parts = [finite[a:b] for a, b in pairwise(edges)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    top = len(BLOCKS) - 1
    return "".join(
        BLOCKS[round((m - low) / (high - low) * top) if high > low else 0] for m in means
    )
