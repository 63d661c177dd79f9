"""What a check is: a promise in words, and a function that finds out whether a plugin keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunebook.specs import BuiltDescriptor, Descriptor

if TYPE_CHECKING:
    from tunebook.testing.candidate import Candidate

Cost = Literal["quick", "slow"]


class CheckFailed(AssertionError):
    """A plugin doesn't keep a promise.

    Attributes:
        found: What it does instead.
        fix: What its author can do.
    """

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"{found}; {fix}")
        self.found = found
        self.fix = fix


class CheckSkipped(Exception):
    """A check cannot be made here; the reason is the message."""


def demand(kept: object, found: str, fix: str) -> None:
    """Raises CheckFailed unless `kept`."""
    if not kept:
        raise CheckFailed(found, fix)


def built(descriptor: Descriptor) -> bool:
    """Whether a plugin is built from a config, as all but cases are."""
    return isinstance(descriptor, BuiltDescriptor)


@dataclass(frozen=True)
class Check:
    """One promise that plugins of a kind make.

    Attributes:
        id: ``kind/what-is-promised``, where the kind ``any`` is every kind.
        function: Raises CheckFailed when the promise is broken; its docstring is the promise.
        cost: `slow` starts a process, reads a real model or trains more than once.
        builds: Needs the plugin's packages and a value for each required setting.
        applies: Whether a plugin with this descriptor makes the promise at all.
    """

    id: str
    function: Callable[[Candidate], None]
    cost: Cost
    builds: bool
    applies: Callable[[Descriptor], bool]

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]

    @property
    def promise(self) -> str:
        """The first paragraph of the function's docstring, as one line."""
        paragraph = (self.function.__doc__ or "").partition("\n\n")[0]
        return " ".join(paragraph.split())

    def __call__(self, candidate: Candidate) -> None:
        """Makes the check.

        Raises:
            CheckFailed: The promise is broken.
            CheckSkipped: The check cannot be made here.
        """
        obstacle = candidate.obstacle if self.builds else None
        if obstacle:
            raise CheckSkipped(obstacle)
        self.function(candidate)


def check(
    kind: str,
    *,
    cost: Cost = "quick",
    builds: bool = True,
    applies: Callable[[Descriptor], bool] = lambda _: True,
) -> Callable[[Callable[[Candidate], None]], Check]:
    """Returns the decorator that makes a function a check, named after the function."""

    def decorate(function: Callable[[Candidate], None]) -> Check:
        name = function.__name__.replace("_", "-")
        return Check(f"{kind}/{name}", function, cost, builds, applies)

    return decorate
