"""What went wrong in a batch, by cause: ten runs with one mistake are one thing to mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tunebook.batch.entry import Entry
from tunebook.errors import ExitCode

CELL = re.compile(r"cell \[(\d+)\] raised (.*)", re.DOTALL)
FIRST_LINE = 200
TOLD_RUNS = 5
Cause = tuple[str, str, int | None, str]
"""Code, place, cell and first line."""


@dataclass(frozen=True)
class Failure:
    """A cause, and the runs that it ended.

    Attributes:
        where: Place, without the folder of the run.
        cell: Execution count of the notebook's cell, where one raised.
        found: The first line of what was found.
        fix: What to do.
        keys: The entries.
        runs: Ids of their newest runs.
    """

    code: str
    where: str
    cell: int | None
    found: str
    fix: str
    keys: tuple[str, ...]
    runs: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "keys": list(self.keys), "runs": list(self.runs)}

    def __str__(self) -> str:
        place = f"cell [{self.cell}]" if self.cell is not None else self.where
        named = ", ".join(self.runs[:TOLD_RUNS])
        more = f" and {len(self.runs) - TOLD_RUNS} more" if len(self.runs) > TOLD_RUNS else ""
        count = f"{len(self.keys)} run{'s' if len(self.keys) != 1 else ''}"
        lines = [f"{count}: {self.code} at {place}", f"  {self.found}"]
        lines += [f"  what to do: {self.fix}"] if self.fix else []
        return "\n".join([*lines, f"  {named}{more}"] if named else lines)


def group_failures(entries: Iterable[Entry]) -> list[Failure]:
    """Returns the causes of all that ended otherwise than well, the most frequent first."""
    groups: dict[Cause, list[Entry]] = {}
    fixes: dict[Cause, str] = {}
    for entry in entries:
        if entry.error is None or entry.state == "succeeded":
            continue
        problem = (entry.error.get("problems") or [{}])[0]
        cause = _cause(entry, problem)
        groups.setdefault(cause, []).append(entry)
        fixes.setdefault(cause, str(problem.get("fix", "")))
    failures = [
        Failure(
            *cause,
            fixes[cause],
            tuple(entry.key for entry in found),
            tuple(entry.run.run_id for entry in found if entry.run),
        )
        for cause, found in groups.items()
    ]
    return sorted(failures, key=lambda failure: -len(failure.keys))


def worst_exit_code(entries: Iterable[Entry]) -> int:
    """Returns 0 when all have succeeded, else the highest exit code of their errors."""
    return max((_exit_code(entry) for entry in entries), default=int(ExitCode.OK))


def _exit_code(entry: Entry) -> int:
    if entry.state == "succeeded":
        return int(ExitCode.OK)
    return int((entry.error or {}).get("exit_code") or ExitCode.STOPPED)


def _cause(entry: Entry, problem: Mapping[str, Any]) -> Cause:
    code, where, found = (str(problem.get(key, "")) for key in ("code", "where", "found"))
    if entry.run is not None:
        where = where.replace(str(entry.run.path), "").strip("/") or "run"
        found = found.replace(str(entry.run.path), "RUN")
    match = CELL.match(found)
    cell, text = (int(match[1]), match[2]) if match else (None, found)
    first = (text.strip().splitlines() or [""])[0]
    return code, where, cell, first[:FIRST_LINE]
