"""A batch for its reader: its ranked tables, its runs, its failures; and how to run one."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.batch.board import Results, collect
from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder, find_batch, plugin_files
from tunebook.batch.rows import By, Row, Table
from tunebook.batch.settings import case_name, in_words, value_of
from tunebook.batch.standing import standing
from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.evaluation.wording import words
from tunebook.host import PluginHost
from tunebook.records import runs_folder
from tunebook.runs import Run

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
"""Rows that a batch shows of itself."""


class Batch:
    """Many runs of one plan, finished or not.

    Attributes:
        folder: The folder of the batch.
        host: The plugins it works with.
        entries: Every run of the plan with its state.
    """

    def __init__(self, folder: BatchFolder, host: PluginHost | None = None) -> None:
        self.folder = folder
        self.host = host or PluginHost(files=plugin_files(folder))
        self.entries: Sequence[Entry] = standing(folder)[0].entries

    @property
    def id(self) -> str:
        return self.folder.batch_id

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs in each state."""
        return self.results.counts

    @cached_property
    def results(self) -> Results:
        """Tables ranked by validation score, failures by cause, and unfinished runs."""
        return self._collect(None, "validation")

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The runs that succeeded, by id; those whose record cannot be read are left out."""
        unreadable = {each.entry.key for each in self.results.unreadable}
        done = [each for each in self.entries if each.state == "succeeded"]
        return {e.run.run_id: Run(e.run) for e in done if e.run and e.key not in unreadable}

    def leaderboard(
        self,
        score: str | None = None,
        *,
        by: By = "validation",
        case: str | None = None,
        task: str | None = None,
    ) -> pd.DataFrame:
        """Returns the ranked settings of one case and task.

        Args:
            score: What to rank by; the primary score of the case when None.
            by: Which scores decide the order. By test, the first is partly the luckiest one, and
                its test score too good.
            case: Which case, if the batch has several.
            task: Which task, if the case has several.

        Raises:
            ConfigError: There is no such table or score, or there are several tables.
        """
        import pandas as pd

        table = self.table(score, by=by, case=case, task=task)
        seeds = {"± over seeds": "deviation"} if table.several_seeds else {}
        rows = [
            {name: value_of(row.setting, name) for name in table.varied}
            | {"validation": row.validation, table.judged: str(row.test)}
            | {name: getattr(row, attribute) for name, attribute in seeds.items()}
            | {"minus best": "" if row.difference is None else str(row.difference)}
            | {"p, corrected": row.p_corrected, "verdict": row.verdict}
            | {"seconds": row.seconds, "trained": row.share, "memory MB": row.memory_mb}
            | {"runs": len(row.runs)}
            for row in table.rows
        ]
        index = pd.Index([row.rank for row in table.rows], name="rank")
        return pd.DataFrame(rows, index=index).round(4)

    def table(
        self,
        score: str | None = None,
        *,
        by: By = "validation",
        case: str | None = None,
        task: str | None = None,
    ) -> Table:
        """Returns the leaderboard as objects; the arguments are those of `leaderboard`."""
        if by not in ("validation", "test"):
            fix = did_you_mean(str(by), ["validation", "test"])
            problem = ("leaderboard.by", "by", "`validation` or `test`", f"`{by}`", fix)
            raise ConfigError(Problem(*problem))
        usual = score is None and by == "validation"
        results = self.results if usual else self._collect(score, by)
        found = [
            each
            for each in results.tables
            if (case is None or each.case == case_name(case)) and (task in (None, each.task))
        ]
        if len(found) == 1:
            return found[0]
        raise ConfigError(self._which(found or results.tables, bool(found)))

    def compare(self, first: int, second: int, **which: Any) -> pd.DataFrame:
        """Returns one setting minus another, by their ranks, on the test rows of both.

        Args:
            first: Rank of one.
            second: Rank of the other.
            which: The arguments of `leaderboard`.

        Raises:
            ConfigError: There is no such rank, or the two were scored on different rows.
        """
        import pandas as pd

        from tunebook.batch.against_best import compare_two
        from tunebook.batch.kept import Kept
        from tunebook.batch.scoring import Scorer

        table = self.table(**which)
        ours, theirs = (self._row(table, rank) for rank in (first, second))
        scorer = Scorer(self.host, Kept(self.folder.path))
        apart, p = compare_two(ours, theirs, scorer, table.score, table.level)
        if apart is None:
            found = "others" if ours is not theirs else "one setting twice"
            fix = "compare settings that stand in one table"
            where = f"ranks {first} and {second}"
            expected = "two settings that were scored on the same test rows"
            raise ConfigError(Problem("leaderboard.not_comparable", where, expected, found, fix))
        content = {
            "first": in_words(ours.setting, table.varied),
            "second": in_words(theirs.setting, table.varied),
            "difference": apart.value,
            "low": apart.low,
            "high": apart.high,
            "p": p,
        }
        name = f"{table.split} {words(table.score)}"
        return pd.DataFrame([content], index=[name]).round(4)

    def front(self, **which: Any) -> pd.DataFrame:
        """Returns the settings that no equally quick or quicker one beats, quickest first."""
        from tunebook.batch.pictures import front_of

        ranks = [row.rank for row in front_of(self.table(**which), lambda row: row.seconds)]
        return self.leaderboard(**which).loc[ranks]

    def figure(self, name: str, **which: Any) -> Any:
        """Returns a picture of a table: ``pareto``, ``heat_map``, ``lines`` or ``seeds``.

        If there is nothing to draw, it returns a sentence that says so.

        Raises:
            ConfigError: There is no picture of that name.
        """
        from IPython.display import Markdown

        from tunebook.batch.pictures import PICTURES

        if name not in PICTURES:
            fix = did_you_mean(name, list(PICTURES))
            problem = ("batch.figure", self.id, "the name of a picture", f"`{name}`", fix)
            raise ConfigError(Problem(*problem))
        figure = PICTURES[name](self.table(**which))
        return figure or Markdown(f"*This batch has nothing to draw for `{name}`.*")

    def failures(self) -> pd.DataFrame:
        """Returns the failures by cause, the most frequent first."""
        import pandas as pd

        causes = self.results.failures
        columns = ["runs", "code", "cell", "where", "found", "what to do"]
        rows = [(len(f.keys), f.code, f.cell, f.where, f.found, f.fix) for f in causes]
        return pd.DataFrame(rows, columns=columns)

    def unfinished(self) -> pd.DataFrame:
        """Returns the runs that are waiting or running."""
        import pandas as pd

        rows = [
            {"case": case_name(e.case), "state": e.state, **e.parameters}
            for e in self.results.unfinished
        ]
        return pd.DataFrame(rows)

    def page(self) -> Path:
        """Writes the leaderboard again; returns the path of its HTML page."""
        from tunebook.batch.leaderboard import HTML, write_results

        write_results(self.results)
        return self.folder.path / HTML

    def _collect(self, score: str | None, by: By) -> Results:
        return collect(self.folder.path, self.entries, score=score, by=by, host=self.host)

    def _row(self, table: Table, rank: int) -> Row:
        for row in table.rows:
            if row.rank == rank:
                return row
        fix = "see the ranks in batch.leaderboard()"
        expected = f"a rank from 1 to {len(table.rows)}"
        raise ConfigError(Problem("leaderboard.rank", self.id, expected, f"{rank!r}", fix))

    def _which(self, tables: Sequence[Table], several: bool) -> Problem:
        names = [f"case={t.case}" + (f", task={t.task}" if t.task else "") for t in tables]
        if not names:
            fix = "wait for a run to succeed; `tunebook batches` says how far it is"
            found = "no finished run"
            return Problem("leaderboard.empty", self.id, "a finished run", found, fix)
        found = f"{len(names)} tables" if several else "none of that name"
        fix = "name one of: " + "; ".join(names)
        return Problem("leaderboard.which", self.id, "one table, by case and task", found, fix)

    def __repr__(self) -> str:
        states = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in self.counts.items())
        return f"Batch({self.id!r}, {states})"

    def _repr_html_(self) -> str:
        from tunebook.batch.sentences import heading, summary

        parts = [f"<p>{html.escape(repr(self))}</p>"]
        for table in self.results.tables:
            sentences = "".join(f"<p>{html.escape(text)}</p>" for text in summary(table))
            shown = self.leaderboard(case=table.case, task=table.task).head(SHOWN)
            parts.append(f"<h4>{html.escape(heading(table))}</h4>{sentences}{shown.to_html()}")
        return "".join(parts)


def load_batch(name: str | Path, runs_dir: str | Path | None = None) -> Batch:
    """Returns a batch by folder, id or beginning of an id; ``last`` is the newest.

    Args:
        name: Its folder, its id or the beginning of its id, or ``last``.
        runs_dir: Folder of the runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.

    Raises:
        ConfigError: There is no such batch, more than one, or its plan cannot be read.
    """
    return Batch(find_batch(runs_folder(runs_dir), str(name)))


def run_batch(
    case: str,
    grid: Mapping[str, Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    with_notebook: bool = True,
    runs_dir: str | Path | None = None,
    host: PluginHost | None = None,
) -> Batch:
    """Runs a grid over a case; if that batch was begun before, runs what is still to be done.

    Args:
        case: Name of the case, or path of its file.
        grid: Lists of values by path; all combinations are run.
        parameters: Values for every run.
        with_notebook: Whether every run executes the case's notebook.
        runs_dir: Folder of the runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.
        host: Plugins; all installed ones when None. The source of those from files and from
            cells of a notebook is sent along with the batch.

    Raises:
        TunebookError: The plan is wrong, or the batch could not go on. A failed run raises
            nothing: see `Batch.failures`.
    """
    from tunebook.batch.drive import drive
    from tunebook.batch.opening import prepare_batch, write_batch
    from tunebook.batch.plan import make_batch_plan

    host = host or PluginHost()
    content = {"case": case, "grid": dict(grid), "parameters": dict(parameters or {})}
    plan = make_batch_plan(host, content | {"with_notebook": with_notebook})
    prepared = prepare_batch(host, plan, runs_folder(runs_dir))
    write_batch(prepared)
    drive(host, prepared.folder)
    return Batch(prepared.folder, host)
