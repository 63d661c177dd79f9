"""One run that a batch wants, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tunebook.records import RunDirectory

State = Literal["queued", "running", "succeeded", "failed", "stopped", "timed_out", "lost"]


@dataclass(frozen=True)
class Entry:
    """One run of a batch.

    Attributes:
        key: Stable id within the plan, from case and parameters.
        case: Name of the case.
        parameters: What the plan sets for this run, by path.
        state: How far it is. `lost` began and is neither alive nor recorded as ended.
        run: Where the newest attempt lies; None before the first.
        attempts: How often it was started.
        error: The error of the newest attempt in its one shape, where there is one.
    """

    key: str
    case: str
    parameters: Mapping[str, Any]
    state: State = "queued"
    run: RunDirectory | None = None
    attempts: int = 0
    error: Mapping[str, Any] | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:
        """Returns it in JSON types."""
        return {
            "key": self.key,
            "case": self.case,
            "parameters": dict(self.parameters),
            "state": self.state,
            "run_id": self.run.run_id if self.run else None,
            "attempts": self.attempts,
            "error": self.error,
        }
