"""The results of a batch, ranked: `leaderboard`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command, dry_run_option

if TYPE_CHECKING:
    from tunebook.batch.board import Results
    from tunebook.batch.rows import Row, Table

MOST_ROWS = 50
MOST_REASONS = 10


@command("leaderboard")
@click.argument("batch")
@click.option("--score", metavar="NAME", help="What to rank by (default: the primary score).")
@click.option(
    "--by",
    type=click.Choice(["validation", "test"]),
    default="validation",
    help="Which scores decide the order; choosing by test makes the first look too good.",
)
@dry_run_option
@click.pass_obj
def leaderboard_command(
    settings: Settings, batch: str, score: str | None, by: str, dry_run: bool
) -> Answer:
    """Rank the runs of BATCH: an id, its beginning, a folder, or `last`.

    Writes leaderboard.html, .csv and .json of the batch anew; with --score or --by the ranking is
    only printed, and the files stay as they are, as with --dry-run.
    """
    from tunebook.batch.folder import find_batch, plugin_files

    folder = find_batch(settings.runs_dir, batch)
    settings.plugin_files += plugin_files(folder)

    from tunebook.batch.as_data import to_json
    from tunebook.batch.board import collect
    from tunebook.batch.leaderboard import HTML, write_results
    from tunebook.batch.standing import standing

    entries = standing(folder)[0].entries
    host = settings.host()
    results = collect(folder.path, entries, score=score, by=by, host=host)  # type: ignore[arg-type]
    hints = []
    if score is None and by == "validation" and not dry_run:
        write_results(results)
        hints = [f"written: {folder.path / HTML}"]
    data = {**to_json(results), "path": str(folder.path)}
    return Answer("\n\n".join(_text(results)), data, hints=hints)


def _text(results: Results) -> Iterator[str]:
    states = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in results.counts.items())
    yield f"batch {results.folder.name}: {states}"
    for each in results.tables:
        yield from _table_text(each)
    if results.unreadable:
        reasons = [(u.entry.key, u.reason) for u in results.unreadable[:MOST_REASONS]]
        yield f"finished, but not readable: {len(results.unreadable)}\n" + table(reasons)
    if results.failures:
        yield "\n".join(map(str, results.failures))


def _table_text(of: Table) -> Iterator[str]:
    from tunebook.batch.sentences import heading, notes, summary

    yield "\n".join([heading(of), *summary(of)])
    if of.rows:
        seeds = ["± seeds"] if of.several_seeds else []
        header = ["rank", *of.varied, "validation", of.judged, *seeds, "minus the best", "p"]
        rows = [_cells(row, of) for row in of.rows[:MOST_ROWS]]
        left = len(of.rows) - len(rows)
        more = f"\nand {left} more, in leaderboard.csv" if left else ""
        yield table(rows, [*header, "verdict", "training"]) + more
        yield "\n".join(f"- {note}" for note in notes(of))
    if of.unranked:
        reasons = [(each.entry.key, each.reason) for each in of.unranked[:MOST_REASONS]]
        yield f"finished, but not compared with these: {len(of.unranked)}\n" + table(reasons)


def _cells(row: Row, of: Table) -> list[str]:
    from tunebook.batch.settings import value_of

    validation = "–" if row.validation is None else f"{row.validation:.3f}"
    deviation = ["–" if row.deviation is None else f"{row.deviation:.3f}"]
    difference = row.difference
    apart = (
        f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
        if difference
        else ""
    )
    p = "" if row.p_corrected is None else f"{row.p_corrected:.3f}"
    return [
        str(row.rank),
        *(value_of(row.setting, name) for name in of.varied),
        validation,
        str(row.test),
        *(deviation if of.several_seeds else []),
        apart,
        p,
        row.verdict,
        "–" if row.seconds is None else f"{row.seconds:,.1f} s",
    ]
