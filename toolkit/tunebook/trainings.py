"""What strategies and the training loop promise one another. Light: torch is for types only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import nn

ParamGroup = dict[str, Any]
GroupOf = Callable[[str], tuple[str, float]]
"""By parameter name, the name of the optimiser group it belongs to, and that group's rate."""


@runtime_checkable
class Stateful(Protocol):
    """Something that remembers, from one step of a training to another: a callback, or inputs.

    A checkpoint is written between two steps, after the evaluation that belongs to the first. A run
    that was killed builds everything anew, and then puts the state back, after `on_train_begin`.
    What was changed while it trained, by hand or by a program, is remembered in this way too: the
    callback that carried it out tells what it has done, while rates that it changed come back with
    optimiser and schedule.
    """

    def state_dict(self) -> dict[str, Any]:
        """Returns all that it remembers, in JSON types; nothing on the disk or in the model."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remembers what `state_dict` returned in an earlier process."""
        ...


@dataclass(frozen=True)
class Stage:
    """Training before the task's, on the same loop.

    Attributes:
        name: What events and the record call it.
        section: Config section that holds its settings, for the advice of errors.
        model: Its forward takes a batch by name and returns the loss, a scalar.
        inputs: n items: ``inputs[rows]`` is the batch of some rows, a mapping of tensors, and
            ``inputs.lengths`` of shape (n,) is what rows of a batch are alike in. Chance that a
            batch depends on comes from a generator of the inputs' own, which are `Stateful` then.
        groups: Optimiser parameter groups.
        training: What differs from the defaults of `tunebook.config.TrainingConfig`.
    """

    name: str
    section: str
    model: nn.Module
    inputs: Any
    groups: Sequence[ParamGroup]
    training: Mapping[str, Any] = field(default_factory=dict)


class StageRunner(Protocol):
    """What a strategy may use between preparing the model and the task stage."""

    @property
    def seed(self) -> int: ...

    @property
    def train(self) -> Any:
        """The tokenised training split: `input_ids`, `document`, `targets` and `pad`."""
        ...

    def run(self, stage: Stage) -> dict[str, Any]:
        """Trains `stage.model` in place; returns what the record keeps of it.

        Raises:
            TrainingError: The loss is not finite.
        """
        ...

    def fit_head(self, c: float) -> None:
        """Puts a logistic regression on the features of the training split into the linear head.

        Args:
            c: Inverse regularisation strength.
        """
        ...
