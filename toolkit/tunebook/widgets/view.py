"""What a panel shows of a run: its events, folded."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunebook.events import ControlAnswered, Evaluated, Event, RunEnded, StageStarted, StepTaken
from tunebook.progress import ProgressState, describe, duration

TOLD = 8
"""Lines of what has happened."""

Points = list[tuple[float, float]]


@dataclass
class RunView:
    """A run so far.

    Attributes:
        losses: Training loss by step, of the training that is under way.
        rates: Learning rate by step.
        scores: Points of each score on the validation split, by name.
        told: What has happened, as lines, the last ones.
        answers: What was asked, and what became of it.
        ended: How the run ended, None while it hasn't.
        latest: The last loss and scores, also those that are no numbers.
    """

    progress: ProgressState = field(default_factory=ProgressState)
    losses: Points = field(default_factory=list)
    rates: Points = field(default_factory=list)
    scores: dict[str, Points] = field(default_factory=dict)
    told: deque[str] = field(default_factory=lambda: deque(maxlen=TOLD))
    answers: deque[str] = field(default_factory=lambda: deque(maxlen=TOLD))
    ended: str | None = None
    latest: dict[str, float | None] = field(default_factory=dict)
    _another: bool = False

    def __call__(self, event: Event) -> None:
        """Takes the next event."""
        self.progress.update(event)
        line = describe(event)
        if isinstance(event, StageStarted):
            self._another = True
        elif isinstance(event, StepTaken):
            if self._another:  # each training counts its own steps
                self.losses, self.rates, self._another = [], [], False
            self.latest["loss"] = event.loss
            if event.loss is not None and math.isfinite(event.loss):
                self._back_to(event.step)
                self.losses.append((event.step, event.loss))
            self.rates.append((event.step, event.learning_rate))
        elif isinstance(event, Evaluated):
            self.latest |= event.scores
            for name, value in event.scores.items():
                if math.isfinite(value):
                    self.scores.setdefault(name, []).append((event.step, value))
        elif isinstance(event, RunEnded):
            self.ended = event.status
        if line:
            (self.answers if isinstance(event, ControlAnswered) else self.told).append(line)

    def _back_to(self, step: int) -> None:
        """Forgets steps that a resumed run takes again."""
        while self.losses and self.losses[-1][0] >= step:
            self.losses.pop()
        while self.rates and self.rates[-1][0] >= step:
            self.rates.pop()

    @property
    def state(self) -> str:
        """One word or two: what the run is doing."""
        if self.ended:
            return self.ended
        return "paused" if self.progress.paused else self.progress.stage or "starting"

    def facts(self, memory_mb: float | None = None) -> Mapping[str, str]:
        """Returns the figures beside the curves, by name, as text."""
        step = self.progress.step
        facts = {"state": self.state}
        if step is not None:
            facts |= {
                "step": f"{step.step:,} of {step.total_steps:,}",
                "epoch": f"{step.epoch:.2f}",
                "learning rate": f"{step.learning_rate:.3g}",
                "speed": f"{step.examples_per_second:,.0f} examples/s",
                "time left": duration(0 if self.ended else step.seconds_left),
            }
        names = [name for name in ("loss", *self.latest) if name in self.latest]
        shown = [*dict.fromkeys(names)][:4]
        facts |= {name: _number(self.latest[name], 4 if name == "loss" else 3) for name in shown}
        if memory_mb is not None:
            facts["memory"] = f"{memory_mb:,.0f} MB"
        return facts


def _number(value: float | None, digits: int) -> str:
    usable = value is not None and math.isfinite(value)
    return f"{value:.{digits}f}" if usable else "not a number"


def smoothed(points: Sequence[tuple[float, float]], share: float) -> Points:
    """Returns an exponential moving average.

    Args:
        points: By step.
        share: What a point keeps of those before it, from 0 (nothing) to below 1.
    """
    mean, weight, found = 0.0, 0.0, []
    for step, value in points:
        mean = share * mean + (1 - share) * value
        weight = share * weight + (1 - share)
        found.append((step, mean / weight))
    return found
