"""What a training does with the requests of `tunebook.controls`, between two steps.

A run that goes on after a crash repeats what it had done, at the very step that it had been done
at, so that its result is that of the run that nothing had cut short; pauses aside, which change
nothing, and what had ended it. What a checkpoint already holds lies before the step that it goes on
from, and so is not done twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from tunebook.controls import (
    Abort,
    Checkpoint,
    Control,
    Evaluate,
    Note,
    Pause,
    Request,
    Resume,
    Set,
    Stop,
    Unfreeze,
    parse_request,
)
from tunebook.errors import Problem, StoppedError
from tunebook.events import ControlAnswered, EventLog, event_of, every_event
from tunebook.sections import EarlyStopping

if TYPE_CHECKING:
    from tunebook.training.checkpoints import TrainingCheckpoints

LOOK_SECONDS = 0.1
"""How long a paused training waits before it looks again."""

FLEETING = (Pause, Resume, Abort)
"""What is not repeated by a run that goes on."""


class Inbox:
    """The requests of one run, in the order in which they were made.

    Args:
        file: Where they are written.
        log: Where answers are told.
        history: Answers of earlier attempts at the run, by request.
    """

    def __init__(
        self, file: Path, log: EventLog, history: Mapping[str, ControlAnswered] | None = None
    ) -> None:
        self.log = log
        self.handled: set[int] = set()
        self._file = file
        self._history = dict(history or {})
        self._requests: list[Request] = []
        self._read = 0
        self._ids: set[str] = set()

    @classmethod
    def of(cls, file: Path, events: Path, log: EventLog) -> Inbox:
        """Returns the requests in `file`; `events` may tell what became of them before."""
        told = map(event_of, every_event(events))
        return cls(file, log, {e.request: e for e in told if isinstance(e, ControlAnswered)})

    def due(self, stage: str, step: int, *, only_before: bool = False) -> list[Request]:
        """Returns what is to be answered now.

        Args:
            stage: The training that is under way.
            step: Steps that it has taken.
            only_before: Nothing but what was done here before.
        """
        self._look()
        return [
            request
            for request in self._requests
            if request.line not in self.handled
            and self._is_due(self._history.get(request.request_id), stage, step, only_before)
        ]

    def answer(
        self, request: Request, stage: str, step: int, accepted: bool, reason: str
    ) -> ControlAnswered:
        """Returns what is told of a request, which is over then."""
        self.handled.add(request.line)
        control = request.control
        return ControlAnswered(
            request.request_id,
            getattr(control, "action", ""),
            control.arguments if control else {},
            request.by,
            accepted,
            reason,
            stage,
            step,
            again=request.request_id in self._history,
        )

    def close(self) -> None:
        """Refuses what came when no training was under way any more."""
        self._look()
        for request in self._requests:
            if request.line not in self.handled and request.request_id not in self._history:
                self.log(self.answer(request, "", 0, False, "the training was over"))

    def _is_due(
        self, before: ControlAnswered | None, stage: str, step: int, only_before: bool
    ) -> bool:
        if before is None:
            return not only_before
        return (before.stage, before.step) == (stage, step)

    def _look(self) -> None:
        """Reads the lines that are whole and new."""
        try:
            if self._file.stat().st_size <= self._read:
                return
            with self._file.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.split(b"\n")[:-1]:
            self._take(parse_request(len(self._requests), line))

    def _take(self, request: Request) -> None:
        """Keeps a request; one that is made again has had its answer."""
        before = self._history.get(request.request_id)
        if request.request_id in self._ids or (before and isinstance(request.control, FLEETING)):
            self.handled.add(request.line)
        self._ids.add(request.request_id)
        self._requests.append(request)


class RefusedError(Exception):
    """What is asked can't be done; the text says why."""


class Steering(TrainerCallback):
    """Answers requests between two steps of one training.

    Args:
        trainer: Of it.
        inbox: Of the run.
        place: Knows the name of the training, and whether it only leads up to where the run goes
            on, and must be what it was.
    """

    def __init__(self, trainer: Any, inbox: Inbox, place: TrainingCheckpoints) -> None:
        self.trainer = trainer
        self.inbox = inbox
        self.place = place
        self.stage = place.training[1]
        self.paused = False
        self.rate = trainer.job.config.learning_rate
        """Peak rate of the backbone."""
        self._shortened: list[tuple[int, int]] = []
        self._decaying: list[int] | None = None
        self._patience: int | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self._answer(state.global_step)
        if self.paused:
            began = time.perf_counter()
            while self.paused:
                time.sleep(LOOK_SECONDS)
                self._answer(state.global_step)
            self.trainer.leave_out(time.perf_counter() - began)
        return control

    def state_dict(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "shortened": self._shortened,
            "decaying": self._decaying,
            "patience": self._patience,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rate = state["rate"]
        self._decaying = state["decaying"]
        for since, steps in state["shortened"]:  # each spreads what the one before has left
            self._shorten(since, steps)
        if state["patience"] is not None:
            self._stop_early(state["patience"])

    def _answer(self, step: int) -> None:
        repeated = self.place.repeated
        for request in self.inbox.due(self.stage, step, only_before=repeated):
            accepted, reason = self._do(request)
            answer = self.inbox.answer(request, self.stage, step, accepted, reason)
            if not repeated:
                self.inbox.log(answer)
            if accepted and isinstance(request.control, Abort):
                raise StoppedError(_aborted(self.stage, step, request))

    def _do(self, request: Request) -> tuple[bool, str]:
        """Returns whether what is asked was done, and what came of it or why not."""
        if request.control is None:
            return False, request.problem
        try:
            return True, DOING[type(request.control)](self, request.control)
        except RefusedError as error:
            return False, str(error)

    # what can be done

    def _pause(self, _: Control) -> str:
        if self.paused:
            raise RefusedError("it is paused already")
        self.paused = True
        return ""

    def _resume(self, _: Control) -> str:
        if not self.paused:
            raise RefusedError("it isn't paused")
        self.paused = False
        return ""

    def _stop(self, _: Control) -> str:
        self.paused = False
        self.trainer.control.should_training_stop = True
        self.trainer.control.should_evaluate = self.trainer.best is not None
        return f"after step {self.trainer.state.global_step} of {self.trainer.state.max_steps}"

    def _abort(self, _: Control) -> str:
        return "the run ends here"

    def _checkpoint(self, _: Control) -> str:
        if self.place.off:
            raise RefusedError("this run keeps no checkpoints: checkpoints.limit_gb is 0")
        self.place.asked = True
        return ""

    def _evaluate(self, _: Control) -> str:
        if self.trainer.best is None:
            raise RefusedError(f"nothing is scored in {self.stage}")
        self.trainer.control.should_evaluate = True
        return ""

    def _set(self, asked: Set) -> str:
        """Checks everything before it changes anything."""
        changes = {name: CHECKS[name](self, value) for name, value in asked.arguments.items()}
        return "; ".join(change() for change in changes.values())

    def _unfreeze(self, _: Control) -> str:
        for callback in self.trainer.callback_handler.callbacks:
            if hasattr(callback, "open_next"):
                opened = callback.open_next(self.trainer.state.global_step)
                if opened is None:
                    raise RefusedError("everything is open already")
                return f"{opened} learns from the next step on"
        raise RefusedError("this strategy opens nothing by stages; gradual_unfreezing does")

    def _note(self, asked: Note) -> str:
        return asked.text

    # settings

    def _rate_change(self, rate: float) -> Callable[[], str]:
        def change() -> str:
            before, self.rate = self.rate, rate
            _scale_rates(self.trainer, rate / before)
            return f"learning_rate was {before:g}"

        return change

    def _decay_change(self, decay: float) -> Callable[[], str]:
        groups = self.trainer.optimizer.param_groups
        if self._decaying is None:  # asked for 0 once, they decay no more, and may again
            self._decaying = [n for n, group in enumerate(groups) if group["weight_decay"] > 0]
        decaying = [groups[number] for number in self._decaying]
        if not decaying:
            raise RefusedError("no group of parameters decays in this run")

        def change() -> str:
            before = max(group["weight_decay"] for group in decaying)
            for group in decaying:
                group["weight_decay"] = decay
            return f"weight_decay was {before:g}"

        return change

    def _steps_change(self, steps: int) -> Callable[[], str]:
        step, planned = self.trainer.state.global_step, self.trainer.state.max_steps
        if steps <= step:
            raise RefusedError(f"{step} steps are taken already: ask for `stop`")
        if steps > planned:
            raise RefusedError(
                f"{planned} steps are planned, and a training that runs gets no longer"
            )

        def change() -> str:
            self._shorten(step, steps)
            return f"max_steps was {planned}"

        return change

    def _patience_change(self, patience: int | str) -> Callable[[], str]:
        if self.trainer.best is None:
            raise RefusedError(f"nothing is scored in {self.stage}")

        def change() -> str:
            now = self.trainer.best.stopping
            before = now.patience if now else "off"
            self._stop_early(0 if patience == "off" else int(patience))
            return f"early_stopping was {before}"

        return change

    def _shorten(self, since: int, steps: int) -> None:
        self._shortened.append((since, steps))
        self.trainer.state.max_steps = steps
        schedule = self.trainer.lr_scheduler
        schedule.lr_lambdas = [_ending_at(each, steps) for each in schedule.lr_lambdas]
        for callback in self.trainer.callback_handler.callbacks:
            if hasattr(callback, "shorten"):
                callback.shorten(since, steps)

    def _stop_early(self, patience: int) -> None:
        """Stops after so many evaluations without an improvement, never where it is 0."""
        self._patience = patience
        threshold = getattr(self.trainer.best.stopping, "threshold", 0.0)
        self.trainer.best.stopping = (
            EarlyStopping(patience=patience, threshold=threshold) if patience else None
        )


DOING: Mapping[type[Control], Callable[[Steering, Any], str]] = {
    Pause: Steering._pause,
    Resume: Steering._resume,
    Stop: Steering._stop,
    Abort: Steering._abort,
    Checkpoint: Steering._checkpoint,
    Evaluate: Steering._evaluate,
    Set: Steering._set,
    Unfreeze: Steering._unfreeze,
    Note: Steering._note,
}
"""By control, what does it: returns what came of it, or raises RefusedError."""

CHECKS: Mapping[str, Callable[[Steering, Any], Callable[[], str]]] = {
    "learning_rate": Steering._rate_change,
    "weight_decay": Steering._decay_change,
    "max_steps": Steering._steps_change,
    "early_stopping": Steering._patience_change,
}
"""By setting, what checks a value; returns what changes it."""


def _scale_rates(trainer: Any, ratio: float) -> None:
    """Scales the rates and what the schedule makes them from, which it would undo otherwise."""
    schedule = trainer.lr_scheduler
    schedule.base_lrs = [rate * ratio for rate in schedule.base_lrs]
    for group in trainer.optimizer.param_groups:
        group["lr"] *= ratio
        group["initial_lr"] *= ratio
    schedule._last_lr = [group["lr"] for group in trainer.optimizer.param_groups]


def _ending_at(shape: Any, steps: int) -> Any:
    """Returns a schedule's factor by step, for a training of `steps`."""
    if not isinstance(shape, partial) or "num_training_steps" not in shape.keywords:
        return shape  # it has no end
    return partial(shape.func, *shape.args, **shape.keywords | {"num_training_steps": steps})


def _aborted(stage: str, step: int, request: Request) -> Problem:
    return Problem(
        "run.aborted",
        f"step {step} of {stage}",
        "to run to its end",
        f"{request.by or 'somebody'} asked for its end",
        "`tunebook resume` goes on from its last checkpoint",
    )
