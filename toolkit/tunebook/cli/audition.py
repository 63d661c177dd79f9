"""Trying strategies under a budget before one is chosen: `audition`."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import DRY, Settings
from tunebook.cli.batch import GROUP, BatchCommand, executor_options
from tunebook.cli.batch_arguments import Given, executor_content, plan_file, plan_from
from tunebook.cli.validate import parameter_option
from tunebook.errors import ConfigError, ExitCode, Problem, StoppedError, TunebookError

if TYPE_CHECKING:
    from tunebook.audition.driving import AuditionResult
    from tunebook.audition.opening import Opened
    from tunebook.audition.plan import AuditionPlan
    from tunebook.audition.reading import Audition
    from tunebook.host import PluginHost

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")


class Duration(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no such argument
    """Seconds, written as 90, 90s, 15m or 1h30m."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        parts = PART.findall(value)
        unclear = len(parts) > 1 and not all(unit for _, unit in parts)  # 1h30: minutes?
        if not parts or unclear or PART.sub("", value).strip():
            self.fail(f"`{value}` is no time: write 90s, 15m or 1h30m", param, ctx)
        return sum(float(number) * UNITS[unit] for number, unit in parts)


@click.command("audition", cls=BatchCommand)
@click.argument("case")
@click.option(
    "--grid", multiple=True, metavar=GROUP, help="Candidates (default: every strategy that fits)."
)
@parameter_option
@click.option(
    "--budget",
    type=Duration(),
    default="30m",
    show_default=True,
    metavar="TIME",
    help="Wall time of all of it, such as 15m or 2h.",
)
@click.option(
    "--seeds",
    type=int,
    default=2,
    show_default=True,
    metavar="N",
    help="Runs of each candidate, after the first rung.",
)
@click.option(
    "--first-rows", type=int, metavar="N", help="Training rows of the first rung (default: few)."
)
@executor_options
@click.option("--dry-run", is_flag=True, help="Show the candidates and the first rung.")
@click.pass_obj
def audition_command(
    settings: Settings,
    case: str,
    grid: tuple[str, ...],
    parameters: tuple[str, ...],
    budget: float,
    seeds: int,
    first_rows: int | None,
    dry_run: bool,
    **of_executor: Any,
) -> Answer:
    """Try strategies on CASE under a budget, and say which one to take, and how sure that is.

    All candidates are trained on few rows, at most the better half on more, until the budget is
    used up or those that are left have had all rows. They are judged on the validation rows; the
    test rows stay unseen. Ended at any moment, the same call goes on, and with a larger budget it
    goes further.

    With --json every change of state is a line of JSON, and so are each rung and the summary.
    """
    from tunebook.audition.plan import make_audition_plan

    try:
        host = settings.host()
        given = Given((case,), parameters, grid, **of_executor)
        content, left_out = _content(host, given)
        chosen = {"budget": budget, "seeds": seeds, "first_rows": first_rows}
        plan = make_audition_plan(host, content | chosen)
        executor = executor_content(given, None)
        opened = _open(settings, host, plan, executor, left_out)
        return _dry_run(opened) if dry_run else _run(settings, host, opened)
    except TunebookError as error:
        return Answer("", {"event": "summary"}, error, one_line=True)


def resume_audition(settings: Settings, name: str, *, dry_run: bool = False) -> Answer:
    """Goes on with an audition that was ended, and answers as `tunebook audition` does."""
    from tunebook.audition.folder import find_audition, read_audition
    from tunebook.batch.folder import plugin_files

    folder = find_audition(settings.runs_dir, name)
    settings.plugin_files += plugin_files(folder)
    host = settings.host()
    executor = folder.read_plan().content.get("executor")
    settings.runs_dir_given = str(folder.runs_dir)  # it may have been named by its path
    opened = _open(settings, host, read_audition(folder).plan, executor, {})
    return _dry_run(opened) if dry_run else _run(settings, host, opened)


def _content(host: PluginHost, given: Given) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns case, parameters and candidates, and the strategies that can't be tried."""
    from tunebook.audition.plan import strategies_for
    from tunebook.batch.plan import expand_plan

    (name,) = given.names
    if plan_file(Given((name,))) is not None:
        fix = "name the plan's case, and write its grid behind --grid"
        raise ConfigError(Problem("audition.case", "CASE", "a case", f"the plan {name}", fix))
    plan = plan_from(host, replace(given, grid=given.grid or ("strategy=full",)))
    case, parameters = plan.cases[0], plan.parameters
    if not given.grid:
        candidates, left_out = strategies_for(host, case, parameters)
        return {"case": case, "parameters": parameters, "candidates": candidates}, left_out
    candidates = [
        {key: value for key, value in entry.parameters.items() if key not in parameters}
        for entry in expand_plan(plan).entries
    ]
    return {"case": case, "parameters": parameters, "candidates": candidates}, {}


def _open(
    settings: Settings,
    host: PluginHost,
    plan: AuditionPlan,
    executor: Any,
    left_out: dict[str, str],
) -> Opened:
    from tunebook.audition.opening import open_audition
    from tunebook.batch.plan import make_batch_plan

    content = {"cases": [plan.case], "repeats": 2, "executor": executor}
    return open_audition(
        host,
        plan,
        settings.runs_dir,
        left_out=left_out,
        executor=make_batch_plan(host, content).executor,
        plugin_files=settings.plugin_files,
    )


def _run(settings: Settings, host: PluginHost, opened: Opened) -> Answer:
    from tunebook.audition.driving import carry_out
    from tunebook.cli.audition_progress import AuditionLines, AuditionProgress

    stdout = settings.stdout if settings.as_json else None
    with AuditionProgress(sys.stderr) if stdout is None else AuditionLines(stdout) as shown:
        result = carry_out(host, opened, listeners=[shown], tell=shown.tell)
    return _answer(settings, result)


def _answer(settings: Settings, result: AuditionResult) -> Answer:
    from tunebook.audition.as_data import as_data

    audition = result.audition
    commands = _next_commands(settings, audition)
    text = "\n".join([standings(audition), "", *audition.sentences()])
    data = {
        "event": "summary",
        **as_data(audition),
        "reason": result.ending.reason,
        "ran": result.ran,
        "seconds": round(result.seconds, 1),
        "next": commands,
    }
    hints = [f"next: {line}" for line in commands]
    return Answer(text, data, _error_of(result), hints, one_line=True)


def standings(audition: Audition) -> str:
    """Returns candidates by rungs, for a terminal."""
    header = [f"{rung.tried.rung.rows:,} rows" for rung in audition.rungs]
    rows = [
        [
            line.name,
            *(str(line.estimates.get(rung.number, "")) for rung in audition.rungs),
            line.outcome,
        ]
        for line in audition.lines()
    ]
    return table(rows, ["candidate", *header, "outcome"])


def _error_of(result: AuditionResult) -> TunebookError | None:
    """Returns why there is no choice, None where there is one."""
    from tunebook.batch.failures import worst_exit_code

    audition, ending = result.audition, result.ending
    if ending.trouble is not None:
        return ending.trouble
    where = str(audition.folder.path)
    if ending.reason != "done":
        fix = f"`tunebook resume {audition.id}` goes on"
        problem = ("audition.stopped", where, "to come to its end", "it was stopped", fix)
        return StoppedError(Problem(*problem))
    if audition.last is not None:
        return None
    rung = audition.rungs[-1]
    if not rung.tried.done:
        fix = "the same command with a larger --budget goes on where this one has ended"
        found = f"{audition.plan.budget:.0f} s, in which it was not done"
        problem = ("audition.budget", where, "time for the first rung", found, fix)
        return StoppedError(Problem(*problem))
    fix = f"mend what `tunebook batches {audition.id}` says of them, remove {where}, begin again"
    problem = ("audition.failed", where, "a candidate with a result", "all have failed", fix)
    kinds = {each.exit_code: each for each in TunebookError.__subclasses__()}
    return kinds.get(ExitCode(worst_exit_code(audition.entries)), ConfigError)(Problem(*problem))


def _next_commands(settings: Settings, audition: Audition) -> list[str]:
    from tunebook.batch.values import in_words

    where = f" --runs-dir {shlex.quote(settings.runs_dir_given)}" if settings.runs_dir_given else ""
    commands = []
    if audition.winner is not None:
        own = {**audition.plan.parameters, **audition.winner}
        given = " ".join(f"-p {shlex.quote(in_words({k: v}))}" for k, v in own.items())
        commands.append(f"tunebook run {shlex.quote(audition.plan.case)} {given}{where}")
    if not audition.file.ended:
        commands.append(f"tunebook resume {shlex.quote(audition.id)}{where}")
    return [*commands, f"tunebook leaderboard {shlex.quote(audition.id)}{where}"]


def _dry_run(opened: Opened) -> Answer:
    from tunebook.audition.sentences import counted
    from tunebook.progress import duration

    file = opened.file
    rung = file.rungs[-1].rung
    begun = f"rung {len(file.rungs)}, begun before" if opened.existed else "the first rung"
    lines = [
        f"audition {opened.folder.batch_id}: {len(file.plan.candidates)} candidates, "
        f"budget {duration(file.plan.budget)}, {duration(file.spent)} used",
        f"{begun}: {counted(rung)}, on {rung.rows:,} of {file.all_rows:,} training rows",
        "",
        *(f"{name}" for name in rung.candidates),
        *(f"left out: {name}, {why}" for name, why in file.left_out.items()),
    ]
    data = {
        "event": "plan",
        "audition": opened.folder.batch_id,
        "path": str(opened.folder.path),
        "new": not opened.existed,
        "all_rows": file.all_rows,
        "budget_seconds": file.plan.budget,
        "spent_seconds": round(file.spent, 1),
        "candidates": {name: dict(each) for name, each in file.plan.names.items()},
        "rung": {"rows": rung.rows, "seeds": rung.seeds, "candidates": list(rung.candidates)},
        "left_out": dict(file.left_out),
        "notes": list(opened.prepared.notes),
    }
    return Answer("\n".join(lines), data, hints=[DRY], one_line=True)
