"""The best runs: `results`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.history import place_option

HEADER = ("rank", "run", "strategy", "seed", "validation")


@command("results")
@click.option("--case", metavar="NAME", help="Only runs of this case.")
@click.option(
    "--top", type=click.IntRange(1, 1000), default=10, show_default=True, help="Of each table."
)
@click.option(
    "--by",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="Which scores decide the order; choosing by test makes the first look too good.",
)
@click.pass_obj
def results_command(settings: Settings, case: str | None, top: int, by: str) -> Answer:
    """Rank the runs that succeeded, those of batches included, with intervals of the test scores.

    Runs stand in one table where case, task, score and test rows are the same. Numbers of
    different tables can't be compared.
    """
    from tunebook.handles import results

    found = results(settings.runs_dir, settings.host(), case=case, by=by, top=top)  # type: ignore[arg-type]
    groups = found["groups"]
    best = [group["rows"][0]["run_id"] for group in groups]
    place = place_option(settings)
    commands = [f"tunebook show {run_id}{place}" for run_id in best[:3]]
    hints = [f"next: {line}" for line in commands]
    if len(groups) > 1:
        hints.insert(0, f"{len(groups)} tables: their numbers can't be compared with one another")
    if not groups:
        hints.append(f"there are no results in {settings.runs_dir}")
    return Answer("\n\n".join(_text(found)), {**found, "next": commands}, hints=hints)


def _text(found: Mapping[str, Any]) -> Iterator[str]:
    for group in found["groups"]:
        task = f", task {group['task']}" if group["task"] else ""
        low = ", lower is better" if group["lower_is_better"] else ""
        head = (
            f"{group['case']}{task}: {group['score']}{low} on {group['test_rows']:,} "
            f"{group['split']} rows "
            f"({group['test']}), {group['level']:.0%} intervals, {group['runs']} runs"
        )
        header = (*HEADER, group["split"], "against the nearest baseline")
        yield f"{head}\n{table(map(_row, group['rows']), header)}"
    if found["skipped"]:
        rows = [(each["run_id"], each["reason"]) for each in found["skipped"]]
        yield f"left out: {len(rows)}\n{table(rows[:20])}"


def _row(row: Mapping[str, Any]) -> tuple[object, ...]:
    validation = "–" if row["validation"] is None else f"{row['validation']:.3f}"
    test, leads = row["test"], row["against"].items()
    least = min(leads, key=lambda lead: abs(lead[1]["value"]), default=None)
    lead = "" if least is None else f"{_interval(least[1], '+')} {least[0]}"
    names = (row["rank"], row["run_id"], row["strategy"], row["seed"])
    return (*names, validation, _interval(test), lead)


def _interval(estimate: Mapping[str, float], sign: str = "") -> str:
    value, low, high = (f"{estimate[name]:{sign}.3f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
