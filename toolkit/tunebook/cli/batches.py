"""Looking at batches from any terminal: `batches`."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.batch_progress import words
from tunebook.errors import ConfigError

if TYPE_CHECKING:
    from tunebook.batch.folder import BatchFolder

MOST_ROWS = 100


@command("batches")
@click.argument("batch", required=False)
@click.pass_obj
def batches_command(settings: Settings, batch: str | None) -> Answer:
    """List the batches, or show how far BATCH is: an id, its beginning, a folder, or `last`.

    What is shown is what lies on the disk and who is alive, whatever became of the process that
    drove the batch.
    """
    from tunebook.batch.folder import find_batch, find_batches

    if batch is not None:
        return _one(find_batch(settings.runs_dir, batch))
    found = [_summary(folder) for folder in find_batches(settings.runs_dir)]
    if not found:
        return Answer("", {"batches": []}, hints=[f"there are no batches in {settings.runs_dir}"])
    rows = [(each["batch"], each["runs"], each["text"], each["driven"]) for each in found]
    return Answer(table(rows, ("batch", "runs", "states", "driven")), {"batches": found})


def _summary(folder: BatchFolder) -> dict[str, Any]:
    from tunebook.batch.standing import standing

    content: dict[str, Any] = {"batch": folder.batch_id, "path": str(folder.path)}
    try:
        board, driven = standing(folder)
    except ConfigError as error:
        problem = error.problems[0]
        text = f"{problem.code}: {problem.found}"
        return {**content, "runs": "", "text": text, "driven": "", "error": error.to_dict()}
    counts = board.counts()
    text = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items())
    shown = "yes" if driven else "no"
    return {**content, "runs": len(board), "counts": counts, "text": text, "driven": shown}


def _one(folder: BatchFolder) -> Answer:
    from tunebook.batch.failures import group_failures
    from tunebook.batch.standing import standing

    board, driven = standing(folder)
    failures = group_failures(board.entries)
    counts: Counter[str] = Counter(board.counts())
    told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items())
    state = "a living process drives it" if driven else "nobody drives it"
    rows = [
        (
            each.state.replace("_", " "),
            words(each),
            each.attempts,
            each.run.run_id if each.run else "",
        )
        for each in board.entries[:MOST_ROWS]
    ]
    left = len(board) - len(rows)
    parts = [
        f"batch {folder.batch_id}: {told}; {state}",
        table(rows, ("state", "run", "attempts", "run id")),
        f"and {left} more" if left else "",
        "\n".join(map(str, failures)),
    ]
    data = {
        "batch": folder.batch_id,
        "path": str(folder.path),
        "driven": driven,
        "counts": dict(counts),
        "seen": round(time.time(), 3),
        "failures": [failure.to_dict() for failure in failures],
        "entries": [entry.to_dict() for entry in board.entries],
    }
    unfinished = counts["succeeded"] < len(board) and not driven
    hints = [f"next: tunebook resume {folder.batch_id}"] if unfinished else []
    return Answer("\n\n".join(part for part in parts if part), data, hints=hints)
