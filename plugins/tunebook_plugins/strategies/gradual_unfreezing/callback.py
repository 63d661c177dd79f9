"""Gradual unfreezing: when a stage opens, and what keeps the others closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import TrainerCallback

from tunebook.contracts import StrategyContext
from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook_plugins.strategies.gradual_unfreezing.plugin import GradualUnfreezingConfig

PASSED: dict[str, Callable[[Any], int]] = {
    "epoch": lambda state: int(state.epoch or 0),
    "steps": lambda state: state.global_step,
}
"""By `unfreeze`, how many epochs or steps of a trainer's state are over."""

LAST: dict[str, Callable[[Any], int]] = {
    "epoch": lambda state: state.num_train_epochs - 1,
    "steps": lambda state: state.max_steps - 1,
}
"""The same when the last step begins."""


@dataclass(frozen=True)
class Stage:
    """What opens together."""

    name: str
    parameters: Sequence[nn.Parameter]


class Unfreezing(TrainerCallback):
    """Opens one stage after another; those that wait are frozen while a step is taken.

    Without a gradient the optimiser passes a parameter over: no update, no weight decay, no
    moments, so that these begin clean when its stage opens. Between steps everything is as
    `prepare` declared it. So the best weights are kept, restored and saved whole, whatever the
    stage they were found in.

    Args:
        config: When stages open.
        stages: What opens, in order; everything else is left alone.
        context: Knows the primary score, and is told of each stage that opens.
    """

    def __init__(
        self,
        config: GradualUnfreezingConfig,
        stages: Sequence[Stage],
        context: StrategyContext,
    ) -> None:
        self.config = config
        self.stages = stages
        self.note = context.note
        self.score = config.score or context.primary or ""
        self.sign = -1 if self.score in context.lower_is_better else 1
        self.opened = 0
        self._plateaus = 0
        self._waited = 0
        self._best: float | None = None

    def on_train_begin(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
        if self.config.unfreeze in LAST:
            reached = LAST[self.config.unfreeze](state) // self.config.every
            closed = [stage.name for stage in self.stages[reached:]]
            if closed:
                self.note(f"training ends before these stages open: {', '.join(closed)}")

    def on_step_begin(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
        for stage in self.stages[self.opened : self._due(state)]:
            self.opened += 1
            self.note(f"from step {state.global_step + 1} on {stage.name} learns")
        self._let_learn(False)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._let_learn(True)

    def on_evaluate(self, *_: Any, metrics: dict[str, float], **__: Any) -> None:
        if self.config.unfreeze != "plateau":
            return
        value = self.sign * self._value(metrics)
        if self._best is None or value > self._best:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self.config.patience:
            self._plateaus, self._waited = self._plateaus + 1, 0

    def open_next(self, step: int) -> str | None:
        """Opens the next stage after `step`, whenever it was due; the others keep their times.

        Returns:
            What it opens, None where everything is open.
        """
        if self.opened == len(self.stages):
            return None
        self.opened += 1
        self._plateaus = max(self._plateaus, self.opened)
        name = self.stages[self.opened - 1].name
        self.note(f"from step {step + 1} on {name} learns, as was asked")
        return name

    def state_dict(self) -> dict[str, Any]:
        return {
            "opened": self.opened,
            "plateaus": self._plateaus,
            "waited": self._waited,
            "best": self._best,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.opened, self._plateaus = state["opened"], state["plateaus"]
        self._waited, self._best = state["waited"], state["best"]

    def _due(self, state: Any) -> int:
        """Returns how many stages should be open."""
        if self.config.unfreeze == "plateau":
            return self._plateaus
        return PASSED[self.config.unfreeze](state) // self.config.every

    def _let_learn(self, learn: bool) -> None:
        for stage in self.stages[self.opened :]:
            for parameter in stage.parameters:
                parameter.requires_grad_(learn)

    def _value(self, metrics: dict[str, float]) -> float:
        scores = {name.removeprefix("eval_"): value for name, value in metrics.items()}
        if self.score not in scores:
            raise ConfigError(unknown_score(self.score, scores))
        return scores[self.score]


def unknown_score(score: str, scores: Iterable[str]) -> Problem:
    """Returns the problem that `score` is none of `scores`."""
    expected = "a score of one of the case's metrics"
    fix = did_you_mean(score, sorted(scores))
    return Problem("strategy.score", "strategy.score", expected, f"`{score}`", fix)
