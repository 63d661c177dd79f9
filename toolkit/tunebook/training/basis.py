"""What a run stands on, kept beside its checkpoints, and whether it still does when it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunebook.errors import ConfigError, DataError, Problem, TunebookError, shorten
from tunebook.records import write_atomically

MUST_STAY: Mapping[str, tuple[type[TunebookError], str]] = {
    "data": (DataError, "put the data back as they were, or start a new run"),
    "corpus": (DataError, "put the corpus back as it was, or start a new run"),
    "weights": (ConfigError, "put the pretrained model back as it was, or start a new run"),
}
"""By fact, what its change is, and what to do."""


class Basis:
    """Facts by name, in JSON types, in a file.

    Args:
        file: Where an earlier attempt has left them, and where they go.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = {}
        self.before: dict[str, Any] = content if isinstance(content, dict) else {}

    def stand_on(self, facts: Mapping[str, Any]) -> list[str]:
        """Adds facts; returns in words which of them an earlier attempt had otherwise.

        Raises:
            TunebookError: One of them is in `MUST_STAY`.
            MachineError: The file cannot be written.
        """
        facts = json.loads(json.dumps(facts))
        changed = [name for name in facts if self.before.get(name, facts[name]) != facts[name]]
        for name in MUST_STAY.keys() & {*changed}:
            error, fix = MUST_STAY[name]
            raise error(_changed(name, self.before[name], facts[name], fix))
        self.before = facts | self.before
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.file, json.dumps(self.before))
        return [
            f"{name} changed since the run began, {difference}"
            for name in changed
            for difference in _differences(self.before[name], facts[name])
        ]


def _differences(before: Any, now: Any) -> Iterator[str]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        yield f"from {shorten(before)} to {shorten(now)}"
        return
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            yield f"{key} from {shorten(before.get(key))} to {shorten(now.get(key))}"


def _changed(name: str, before: Any, now: Any, fix: str) -> Problem:
    expected = f"what the run began with, {shorten(before)}"
    return Problem(f"resume.{name}_changed", name, expected, shorten(now), fix)
