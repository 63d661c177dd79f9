"""Whether a plugin keeps its contract: `check`."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, print_answer, table
from tunebook.cli.application import Settings, command
from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.host import PluginHost
    from tunebook.testing import CheckResult

WIDEST_REASON = 80
"""Signs of a reason in the table; a failure is told in full below it."""


@command("check")
@click.argument("name")
@click.option("--kind", help="Only plugins of this kind, such as strategy.")
@click.option("--quick", is_flag=True, help="Leave out what starts processes or reads real models.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a field of the plugin's config, such as path=rows.csv; may be given several times.",
)
@click.option("--watch", is_flag=True, help="Check again whenever its code changes, until Ctrl-C.")
@click.pass_obj
def check_command(
    settings: Settings,
    name: str,
    kind: str | None,
    quick: bool,
    parameters: tuple[str, ...],
    watch: bool,
) -> Answer | None:
    """Check that a plugin keeps the contract of its kind, with the checks of tunebook.testing.

    NAME is a plugin, KIND:NAME, or a distribution, an entry point or a file, for all plugins that
    come from there. With --watch and --json every round is a line of JSON.
    """
    from tunebook.cases import parse_parameters
    from tunebook.testing.candidate import is_file

    given = parse_parameters(parameters)
    if is_file(name) and Path(name) not in settings.plugin_files:
        settings.plugin_files.append(Path(name))
    check = partial(_check, name, kind=kind, settings=given, quick=quick)
    if not watch:
        return check(settings.host())
    from tunebook.cli.check_rounds import rounds

    assert settings.stdout is not None
    with suppress(KeyboardInterrupt):
        for answer in rounds(settings, name, check):
            print_answer(answer, settings.stdout, as_json=settings.as_json)
            settings.stdout.flush()
    return None


def _check(name: str, host: PluginHost, **asked: Any) -> Answer:
    from tunebook.testing import run_checks

    results = run_checks(name, host=host, **asked)
    counts = Counter(result.outcome for result in results)
    data = {
        "passed": counts["passed"],
        "failed": counts["failed"],
        "skipped": counts["skipped"],
        "checks": [result.to_dict() for result in results],
    }
    broken = [_problem(result) for result in results if result.outcome == "failed"]
    return Answer(_text(results, counts), data, ConfigError(*broken) if broken else None)


def _text(results: Sequence[CheckResult], counts: Counter[str]) -> str:
    rows = [
        (
            result.plugin,
            result.check,
            result.outcome,
            f"{result.seconds:.1f}",
            textwrap.shorten(result.found, WIDEST_REASON, placeholder=" …"),
        )
        for result in results
    ]
    seconds = sum(result.seconds for result in results)
    summary = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    header = ("plugin", "check", "outcome", "seconds", "why")
    return f"{table(rows, header)}\n\n{summary} in {seconds:.0f} s"


def _problem(result: CheckResult) -> Problem:
    where = f"{result.plugin}: {result.check}"
    return Problem("check.failed", where, result.promise, result.found, result.fix)
