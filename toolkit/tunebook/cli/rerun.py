"""Repeating a run and saying whether it is the same: `rerun`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.history import chosen_run
from tunebook.cli.run import limits_of, time_options
from tunebook.errors import NotIdenticalError, Problem, shorten

if TYPE_CHECKING:
    from tunebook.records import RunDirectory
    from tunebook.reproduction import Difference, Reproduction

SHOWN = 64
"""Characters of a value that a table shows."""


@command("rerun")
@click.argument("run")
@click.option(
    "--check-only",
    "--dry-run",
    "check_only",
    is_flag=True,
    help="Compare data and environment; train and write nothing.",
)
@time_options
@click.pass_obj
def rerun_command(
    settings: Settings,
    run: str,
    check_only: bool,
    timeout: float | None,
    start_timeout: float | None,
) -> Answer:
    """Repeat RUN into a new run directory, as it was launched: its case, seed and notebook.

    The exit code is 0 when weights, predictions and scores are identical to the last bit, and 7
    when they are not; then the answer lists what differs between both runs, the likeliest
    explanation first. With --check-only it is 7 when something differs that may change the result.
    """
    from tunebook.notebooks.rerun import Repeatable

    directory = chosen_run(settings, run)
    repeatable = Repeatable.of(directory, settings.host())
    if check_only:
        return _checked(directory, repeatable.check())
    limits = limits_of(timeout=timeout, start_timeout=start_timeout)
    again, found = repeatable.repeat(settings.runs_dir.resolve(), limits, debug=settings.debug)
    return _compared(directory, again, found)


def _checked(run: RunDirectory, found: Reproduction) -> Answer:
    data = {"run_id": run.run_id, "checked_only": True, **found.to_dict(), "identical": None}
    same = "data, model, code, packages, hardware and threads are what they were"
    parts = [*_explained(found)] or [same]
    return Answer("\n\n".join(parts), data, _error(run, found) if found.differences else None)


def _compared(run: RunDirectory, again: RunDirectory, found: Reproduction | None) -> Answer:
    about: dict[str, Any] = {"run_id": run.run_id, "again": again.run_id, "path": str(again.path)}
    if found is None:
        from tunebook.notebooks.verdict import error_of

        record = again.read_record()
        text = f"run {again.run_id} {record.status.replace('_', ' ')}: there is nothing to compare"
        return Answer(text, about | {"identical": None}, error_of(record))
    data = about | {"checked_only": False} | found.to_dict()
    if found.identical:
        count = len(found.same)
        text = f"identical: {again.run_id} repeats {run.run_id} to the last bit ({count} outputs)"
        return Answer("\n\n".join([text, *_explained(found)]), data)
    words = {True: "identical", False: "different", None: "not recorded"}
    outputs = table((name, words[same]) for name, same in found.same.items())
    parts = [f"{again.run_id} is not {run.run_id}\n{outputs}", *_explained(found)]
    return Answer("\n\n".join(parts), data, _error(run, found))


def _explained(found: Reproduction) -> Iterator[str]:
    if found.scores:
        header = ("score", "before", "again", "difference", "half of the interval")
        rows = (
            (
                each.score,
                f"{each.before:.4f}",
                f"{each.after:.4f}",
                f"{each.difference:+.2e}",
                f"{each.half_interval:.2e}",
            )
            for each in found.scores
        )
        yield table(rows, header)
    if found.differences:
        header = ("differs", "what", "before", "now", "explains it")
        yield table(map(_row, found.differences), header)
    if found.unknown:
        yield f"the run says nothing of: {', '.join(found.unknown)}"


def _row(each: Difference) -> tuple[str, ...]:
    values = (shorten(value, SHOWN) for value in (each.before, each.after))
    return (each.aspect, each.item, *values, each.likelihood)


def _error(run: RunDirectory, found: Reproduction) -> NotIdenticalError:
    aspects = [*dict.fromkeys(each.aspect for each in found.differences)]
    named = ", ".join(aspects)
    if found.same:
        wrong = [name for name, same in found.same.items() if not same]
        expected, told = "the same weights, predictions and scores", f"others: {', '.join(wrong)}"
        guess = f"the likeliest first: {named}" if aspects else _NOTHING
        return NotIdenticalError(Problem("rerun.different", run.run_id, expected, told, guess))
    expected, fix = "what the run was made of", "put it back, or expect another result"
    return NotIdenticalError(Problem("rerun.changed", run.run_id, expected, named, fix))


_NOTHING = "nothing that is recorded differs: a plugin or a library is not deterministic"
