"""An audition for its reader: who is still in it, what each rung has shown, and whom to take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.audition.drawing import Line, drawn
from tunebook.audition.folder import Tried, find_audition, read_audition
from tunebook.audition.plan import AuditionPlan
from tunebook.audition.sentences import summary
from tunebook.batch.against_best import NOT_APART
from tunebook.batch.board import collect
from tunebook.batch.entry import Entry, State
from tunebook.batch.folder import BatchFolder
from tunebook.batch.reading import Batch
from tunebook.batch.rows import Row, Table
from tunebook.batch.settings import name_of
from tunebook.host import PluginHost
from tunebook.ownership import AUDITIONS, is_owned
from tunebook.records import runs_folder

if TYPE_CHECKING:
    import pandas as pd


FAILED: Mapping[bool, Sequence[State]] = {
    False: ("failed",),
    True: ("failed", "lost", "timed_out", "stopped"),
}
"""States of a run without a result, by whether its rung is done: else some of them go on."""


@dataclass(frozen=True)
class RungResult:
    """What a rung has shown so far.

    Attributes:
        number: From 1.
        table: Its candidates ranked on the validation rows; None before the first has a result.
        rows: By candidate, its row of the table; the best first.
        failed: By candidate without a result that could be compared, why.
    """

    number: int
    tried: Tried
    table: Table | None
    rows: Mapping[str, Row]
    failed: Mapping[str, str]


class Audition(Batch):
    """Candidates tried on more and more rows of a case, the better half going on each time.

    All scores are those of validation rows: they are for choosing. What the chosen one is worth on
    test rows, which no run of an audition has seen, is for one run of the case to say.

    Attributes:
        file: What is on disk, see `AuditionFile`.
    """

    def __init__(self, folder: BatchFolder, host: PluginHost | None = None) -> None:
        self.file = read_audition(folder)
        super().__init__(folder, host)

    @property
    def plan(self) -> AuditionPlan:
        """What is tried, see `AuditionPlan`."""
        return self.file.plan

    @property
    def held(self) -> bool:
        """Whether a living process carries it out."""
        return is_owned(self.folder.path, AUDITIONS)

    @cached_property
    def rungs(self) -> Sequence[RungResult]:
        """What each rung has shown, in order."""
        return [self._rung(number, tried) for number, tried in enumerate(self.file.rungs, 1)]

    @property
    def last(self) -> RungResult | None:
        """The last rung in which every candidate has had its turn."""
        done = [rung for rung in self.rungs if rung.tried.done and rung.rows]
        return done[-1] if done else None

    @property
    def best(self) -> Row | None:
        """The best candidate of the last rung that is done."""
        return next(iter(self.last.rows.values())) if self.last else None

    @property
    def winner(self) -> Mapping[str, Any] | None:
        """What the best candidate sets, by path; None while no rung is done."""
        if self.last is None:
            return None
        return self.plan.names[next(iter(self.last.rows))]

    @property
    def equals(self) -> list[str]:
        """Candidates of the last rung that are not told apart from the best, quickest first."""
        rows = self.last.rows if self.last else {}
        alike = [name for name, row in rows.items() if row.verdict == NOT_APART]
        return sorted(alike, key=lambda name: rows[name].seconds or math.inf)

    def standings(self) -> pd.DataFrame:
        """Returns a row for each candidate of each rung, the best of each rung first."""
        import pandas as pd

        rows = [
            {
                "rung": rung.number,
                "rows": rung.tried.rung.rows,
                "candidate": name,
                "runs": len(row.runs),
                "validation": str(row.test),
                "minus best": "" if row.difference is None else str(row.difference),
                "p, corrected": row.p_corrected,
                "seconds": row.seconds,
                "outcome": self.outcome(rung, name),
            }
            for rung in self.rungs
            for name, row in rung.rows.items()
        ]
        rows += [
            {"rung": rung.number, "rows": rung.tried.rung.rows, "candidate": name, "outcome": why}
            for rung in self.rungs
            for name, why in rung.failed.items()
        ]
        columns = ["rung", "rows", "candidate", "runs", "validation", "minus best"]
        columns += ["p, corrected", "seconds", "outcome"]
        return pd.DataFrame(rows, columns=columns).round(4)

    def outcome(self, rung: RungResult, name: str) -> str:
        """Returns what a rung meant for a candidate, in words."""
        row = rung.rows[name]
        if not rung.tried.done:
            return "time was up" if self.file.ended else "so far"
        later = self.rungs[rung.number :]
        if not later or (self.file.ended and not later[0].rows):
            return "best" if row.rank == 1 else row.verdict
        if name in later[0].tried.rung.candidates:
            return "goes on"
        return "left, though " + row.verdict if row.verdict == NOT_APART else "left"

    def sentences(self) -> list[str]:
        """Returns what it has shown, in plain words."""
        return [*summary(self)]

    def _rung(self, number: int, tried: Tried) -> RungResult:
        names = self.plan.keys_of(tried.rung)
        entries = [entry for entry in self.entries if entry.key in names]
        tables = collect(self.folder.path, entries, by="test", host=self.host).tables
        table = tables[0] if tables else None
        by_setting = {_setting(entry): names[entry.key] for entry in entries}
        rows = {by_setting[name_of(row.setting)]: row for row in (table.rows if table else ())}
        without = {e.key: _why(e) for e in entries if e.state in FAILED[tried.done]}
        without |= {each.entry.key: each.reason for each in (table.unranked if table else ())}
        failed = {names[key]: why for key, why in without.items() if names[key] not in rows}
        return RungResult(number, tried, table, rows, failed)

    def lines(self) -> list[Line]:
        """Returns the candidates as they are drawn: those that have got furthest first."""
        found: dict[str, Line] = {}
        for rung in reversed(self.rungs):
            for name, row in rung.rows.items():
                line = found.setdefault(name, Line(name, self.outcome(rung, name)))
                line.estimates[rung.number] = row.test
        for name in self.plan.names:
            failures = [rung.failed[name] for rung in self.rungs if name in rung.failed]
            found.setdefault(name, Line(name, failures[-1] if failures else "waits"))
        return [*found.values()]

    def __repr__(self) -> str:
        return super().__repr__().replace("Batch(", "Audition(", 1)

    def _repr_html_(self) -> str:
        return drawn(self)


def load_audition(name: str | Path = "last", runs_dir: str | Path | None = None) -> Audition:
    """Returns an audition by folder, id or beginning of an id; ``last`` is the newest.

    Args:
        name: Its folder, its id or the beginning of its id, or ``last``.
        runs_dir: Folder of the runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.

    Raises:
        ConfigError: There is no such audition, more than one, or it cannot be read.
    """
    return Audition(find_audition(runs_folder(runs_dir), str(name)))


def _setting(entry: Entry) -> str:
    return name_of({key: value for key, value in entry.parameters.items() if key != "seed"})


def _why(entry: Entry) -> str:
    problems = (entry.error or {}).get("problems") or [{}]
    told = problems[0].get("found") or problems[0].get("code") or "see its run"
    return f"{entry.state.replace('_', ' ')}: {told}"
