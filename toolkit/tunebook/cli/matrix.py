"""Which strategy works where: `matrix`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import Settings, command
from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.testing.matrix import Cell

HEAD = """\
# Which strategy works where

Made by `tunebook matrix`, which trains every strategy on tiny models for every form of task, family
of models and form of the head. A cell passes when the loss falls in ten steps and the saved model
gives the same logits; it is not legal when the run is refused before a model is loaded.
"""


@command("matrix")
@click.argument("strategies", nargs=-1)
@click.pass_obj
def matrix_command(settings: Settings, strategies: tuple[str, ...]) -> Answer:
    """Try strategies on every kind of task, family of models and form of the head.

    STRATEGIES are names; all there are when left out, which takes some minutes. The answer is
    Markdown.
    """
    from tunebook.testing.matrix import fill_matrix

    cells = [*fill_matrix(settings.host(), strategies)]
    counts = Counter(cell.outcome for cell in cells)
    failed = [_problem(cell) for cell in cells if cell.outcome == "fails"]
    return Answer(
        f"{HEAD}\n{as_markdown(cells)}",
        {"counts": dict(counts), "cells": [cell.to_dict() for cell in cells]},
        ConfigError(*failed) if failed else None,
    )


def as_markdown(cells: Sequence[Cell]) -> str:
    """Returns one table for each kind of task, with a row for each strategy."""
    tasks = dict.fromkeys(cell.task for cell in cells)
    return "\n\n".join(
        f"## {task}\n\n{_table([cell for cell in cells if cell.task == task])}" for task in tasks
    )


def _table(cells: Sequence[Cell]) -> str:
    columns = [*dict.fromkeys((cell.family, cell.form) for cell in cells)]
    header = ["strategy", *(f"{family}, {form}" for family, form in columns), "why not"]
    header = [name.replace("_", " ") for name in header]
    rows = [_row(strategy, cells) for strategy in dict.fromkeys(cell.strategy for cell in cells)]
    return "\n".join([_line(header), _line(["---"] * len(header)), *rows])


def _row(strategy: str, cells: Sequence[Cell]) -> str:
    own = [cell for cell in cells if cell.strategy == strategy]
    reasons = dict.fromkeys(cell.why for cell in own if cell.why)
    return _line([f"`{strategy}`", *(cell.outcome for cell in own), "; ".join(reasons)])


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _problem(cell: Cell) -> Problem:
    where = f"{cell.strategy} × {cell.task} × {cell.family} × {cell.form}"
    fix = "mend the strategy, or say in its tags that this isn't legal"
    return Problem("matrix.failed", where, "a cell that passes or isn't legal", cell.why, fix)
