"""Variants of a case on the same labels and split: a table of paired differences."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from machine import heading
from scipy import stats

from tunebook.cases import parse_parameters
from tunebook.config import CaseConfig
from tunebook.runner import run_case
from tunebook.runs import Run

Variants = Mapping[str, CaseConfig]
"""Cases by name; the others are compared with the first."""


def parse_arguments() -> argparse.Namespace:
    """Returns `seeds`, `overrides`, `only` and `validation` of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", help="names of variants")
    parser.add_argument(
        "--validation", action="store_true", help="leave the test split out, to choose settings"
    )
    parser.add_argument("-p", dest="parameters", action="append", default=[])
    given = parser.parse_args()
    given.overrides = parse_parameters(given.parameters)
    return given


def print_table(
    variants_of: Callable[[int, dict[str, Any]], Variants],
    about: Callable[[Run], str] = lambda _: "",
) -> None:
    """Runs all variants for all seeds and prints a row for each, then the mean differences.

    Args:
        variants_of: Returns the cases, by the seed and the overrides of the command line.
        about: Returns what else is to be told of a run.
    """
    given = parse_arguments()
    print(heading())
    print(
        "| seed | variant | best on validation | macro-F1 on test | minus the first, paired "
        "| training | total | |\n|---|---|---|---|---|---|---|---|"
    )
    differences: dict[str, list[float]] = {}
    for seed in given.seeds:
        variants = variants_of(seed, given.overrides)
        chosen = {n: c for n, c in variants.items() if not given.only or n in given.only}
        with tempfile.TemporaryDirectory() as folder:
            first: Run | None = None
            for name, case in chosen.items():
                run = run_case(case, runs_dir=folder, listeners=[])
                first = first or run
                paired = run.compare(first).loc["macro_f1"]
                differences.setdefault(name, []).append(paired["difference"])
                print(_row(seed, name, run, paired, given.validation) + about(run), flush=True)
    for name, values in differences.items() if not given.validation else ():
        print(f"{name}: mean difference {mean_with_interval(values)}")


def mean_with_interval(values: list[float]) -> str:
    """Returns the mean over seeds with its 95 % t interval; the test texts are always the same."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:+.3f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    half = stats.t.ppf(0.975, len(values) - 1) * error
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}] over {len(values)} seeds"


def _row(seed: int, name: str, run: Run, paired: Any, validation: bool) -> str:
    record = run.record
    test = f"{run.report.scores['macro_f1']}"
    difference = f"{paired['difference']:+.3f} [{paired['low']:+.3f}, {paired['high']:+.3f}]"
    if validation:
        test = difference = "not looked at"
    return (
        f"| {seed} | {name} | {record.training['best']:.3f} | {test} | {difference} "
        f"| {record.seconds['training']:.0f} s | {record.seconds['total']:.0f} s | "
    )
