"""Which strategy works where: `matrix`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import Settings, command
from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.testing.matrix import Cell

HEAD = """\
# Which strategy works where

Made by `tunebook matrix`, which trains every strategy on tiny models for every kind of task,
family of models and form of the head. A cell passes when the loss falls in ten steps and the saved
model gives the same logits; it is not legal when the run is refused before a model is loaded.
"""


@command("matrix", short_help="Try strategies on every task, family and head, as a table.")
@click.argument("strategies", nargs=-1)
@click.pass_obj
def matrix_command(settings: Settings, strategies: tuple[str, ...]) -> Answer:
    """Try strategies on every kind of task, family of models and form of the head.

    STRATEGIES are names; all there are when left out, which takes some minutes. The answer is
    Markdown.
    """
    from tunebook.testing.matrix import as_markdown, fill_matrix

    cells = [*fill_matrix(settings.host(), strategies)]
    counts = Counter(cell.outcome for cell in cells)
    failed = [_problem(cell) for cell in cells if cell.outcome == "fails"]
    return Answer(
        f"{HEAD}\n{as_markdown(cells)}",
        {"counts": dict(counts), "cells": [cell.to_dict() for cell in cells]},
        ConfigError(*failed) if failed else None,
    )


def _problem(cell: Cell) -> Problem:
    where = f"{cell.strategy} × {cell.task} × {cell.family} × {cell.form}"
    fix = "mend the strategy, or say in its tags that this isn't legal"
    return Problem("matrix.failed", where, "a cell that passes or isn't legal", cell.why, fix)
