"""Running many: `batch`, and going on with one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, say, table
from tunebook.cli.application import DRY, Command, Settings
from tunebook.cli.batch_arguments import Given, executor_content, gather, plan_from
from tunebook.cli.run import SECONDS
from tunebook.cli.validate import parameter_option
from tunebook.errors import ConfigError, ExitCode, Problem, StoppedError, TunebookError

if TYPE_CHECKING:
    from tunebook.batch.drive import BatchResult
    from tunebook.batch.folder import BatchFolder
    from tunebook.batch.opening import Prepared
    from tunebook.batch.plan import BatchPlan
    from tunebook.config import PluginConfig
    from tunebook.host import PluginHost

MOST_ROWS = 20
GROUP = "KEY=VALUES …"

EXECUTOR_OPTIONS = (
    click.option("--executor", metavar="NAME", help="Where runs are carried out (default: local)."),
    click.option(
        "-E",
        "executor_settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting of the executor, such as workers=2; may be given several times.",
    ),
)


def executor_options(function: Any) -> Any:
    """Adds the options that choose an executor."""
    for option in reversed(EXECUTOR_OPTIONS):
        function = option(function)
    return function


class BatchCommand(Command):
    """A command whose `--grid` and the like take all the values that follow."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, gather(args))


@click.command("batch", cls=BatchCommand)
@click.argument("names", nargs=-1, required=True, metavar="PLAN.yaml | CASE …")
@click.option("--grid", multiple=True, metavar=GROUP, help="All combinations: seed=1..5 a=x,y.")
@click.option("--zip", "zips", multiple=True, metavar=GROUP, help="Side by side: a=1,2 b=x,y.")
@click.option("--where", multiple=True, metavar="CONDITION", help="Keep those with seed<3, a=x,y …")
@click.option("--include", multiple=True, metavar=GROUP, help="One more run, with these values.")
@click.option("--exclude", multiple=True, metavar=GROUP, help="Leave out what has all of these.")
@click.option("--repeats", type=int, metavar="N", help="Each with seeds 0 to N-1.")
@parameter_option
@click.option("--name", metavar="NAME", help="What the batch is called (default: the case).")
@executor_options
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="End a run after this long.")
@click.option(
    "--start-timeout", type=SECONDS, metavar="SECONDS", help="Time for a kernel to answer."
)
@click.option(
    "--batch-timeout", type=SECONDS, metavar="SECONDS", help="End the batch after this long."
)
@click.option("--retries", type=int, metavar="N", help="How often lost runs are retried.")
@click.option("--kernel", type=click.Choice(["auto", "warm", "cold"]), help="Default: warm.")
@click.option("--no-notebook", is_flag=True, help="Run the library directly, without notebooks.")
@click.option("--dry-run", is_flag=True, help="Show the runs and their time; start nothing.")
@click.option("--extend", metavar="BATCH", help="Add to this batch, all of whose runs are wanted.")
@click.option("--retry-failed", is_flag=True, help="Also rerun what failed because of a mistake.")
@click.pass_obj
def batch_command(
    settings: Settings,
    timeout: float | None,
    start_timeout: float | None,
    batch_timeout: float | None,
    dry_run: bool,
    extend: str | None,
    retry_failed: bool,
    **given: Any,
) -> Answer:
    """Run PLAN.yaml, or a grid over one CASE or several, as one batch.

    Everything is checked first; a mistake leaves nothing behind. The same plan again goes on
    with its batch, and one with more runs adds to it: what has succeeded is never run twice.

    With --json every change of state is a line of JSON, and so is the summary at the end.
    """
    limits = {"run": timeout, "start": start_timeout, "batch": batch_timeout}
    try:
        host = settings.host()
        plan = plan_from(host, Given(**given, limits=limits))
        prepared = _prepare(settings, host, plan, extend)
        if dry_run:
            return _dry_run(settings, host, plan, prepared, retry_failed)
        return _run(settings, host, plan, prepared, retry_failed)
    except TunebookError as error:
        return Answer("", {"event": "summary"}, error, one_line=True)


def resume_batch(
    settings: Settings,
    name: str,
    *,
    executor: str | None = None,
    executor_settings: Sequence[str] = (),
    retry_failed: bool = False,
    dry_run: bool = False,
) -> Answer:
    """Goes on with a batch, and answers as `tunebook batch` does.

    Args:
        settings: Common options.
        name: What a user calls the batch.
        executor: Another executor than the plan's.
        executor_settings: Its settings, as KEY=VALUE.
        retry_failed: Whether runs that failed by themselves are tried again.
        dry_run: Whether to say only what would be run.
    """
    from tunebook.batch.folder import find_batch, plugin_files
    from tunebook.batch.plan import make_batch_plan

    try:
        folder = find_batch(settings.runs_dir, name)
        file = folder.read_plan()
        settings.plugin_files += plugin_files(folder)
        host = settings.host()
        chosen = executor_content(
            Given((), executor=executor, executor_settings=executor_settings),
            file.content.get("executor"),
        )
        plan = make_batch_plan(host, {**file.content, "executor": chosen})
        if dry_run:
            prepared = _prepare(settings, host, plan, folder.batch_id)
            return _dry_run(settings, host, plan, prepared, retry_failed)
        return _drive(settings, host, folder, plan.executor, retry_failed)
    except TunebookError as error:
        return Answer("", {"event": "summary"}, error, one_line=True)


def is_batch(settings: Settings, name: str) -> bool:
    """Whether `name` means exactly one batch."""
    from tunebook.batch.folder import find_batch

    try:
        find_batch(settings.runs_dir, name)
    except ConfigError:
        return False
    return True


def _prepare(settings: Settings, host: PluginHost, plan: BatchPlan, extend: str | None) -> Prepared:
    from tunebook.batch.drive import executor_config
    from tunebook.batch.opening import prepare_batch

    config = executor_config(host, plan.executor)
    host.require("executor", host.get("executor", config.kind))
    return prepare_batch(
        host,
        plan,
        settings.runs_dir,
        extend=extend,
        plugin_files=settings.plugin_files,
    )


def _run(
    settings: Settings, host: PluginHost, plan: BatchPlan, prepared: Prepared, retry_failed: bool
) -> Answer:
    from tunebook.batch.opening import write_batch

    for note in prepared.notes:
        say(note)
    write_batch(prepared)
    return _drive(settings, host, prepared.folder, plan.executor, retry_failed)


def _drive(
    settings: Settings,
    host: PluginHost,
    folder: BatchFolder,
    executor: PluginConfig | None,
    retry_failed: bool,
) -> Answer:
    from tunebook.batch.drive import drive
    from tunebook.cli.batch_progress import BatchProgress, json_lines

    entries = folder.board().entries
    done = sum(entry.state == "succeeded" for entry in entries)
    say(f"batch {folder.batch_id}: {len(entries)} runs, {done} of them done")
    with ExitStack() as stack:
        if settings.as_json and settings.stdout is not None:
            listener: Any = json_lines(settings.stdout)
        else:
            listener = stack.enter_context(BatchProgress(entries, sys.stderr))
        result = drive(
            host, folder, executor=executor, retry_failed=retry_failed, listeners=[listener]
        )
    return _answer(settings, result)


def _answer(settings: Settings, result: BatchResult) -> Answer:
    from tunebook.batch.failures import group_failures
    from tunebook.batch.states import Board
    from tunebook.progress import duration

    failures = group_failures(result.entries)
    counts = Board(result.entries).counts()
    told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items())
    how = "" if result.ending.reason == "done" else f" ({result.ending.reason.replace('_', ' ')})"
    lines = [f"batch {result.folder.batch_id}: {told} after {duration(result.seconds)}{how}"]
    if result.orphans:
        lines.append(f"{result.orphans} processes of an earlier go were ended first")
    lines += ["", *map(str, failures)] if failures else []
    commands = _next_commands(settings, result)
    data = {
        "event": "summary",
        "batch": result.folder.batch_id,
        "path": str(result.folder.path),
        "counts": counts,
        "ran": result.ran,
        "orphans_ended": result.orphans,
        "seconds": round(result.seconds, 1),
        "reason": result.ending.reason,
        "exit_code": result.exit_code,
        "failures": [failure.to_dict() for failure in failures],
        "entries": [entry.to_dict() for entry in result.entries],
        "next": commands,
    }
    hints = [f"next: {line}" for line in commands]
    return Answer("\n".join(lines), data, _error_of(result), hints, one_line=True)


def _error_of(result: BatchResult) -> TunebookError | None:
    """Returns the error that gives the batch its exit code."""
    if result.exit_code == ExitCode.OK:
        return None
    if result.ending.trouble is not None:
        return result.ending.trouble
    missing = sum(entry.state != "succeeded" for entry in result.entries)
    found = f"{missing} of {len(result.entries)} have not"
    fix = f"`tunebook resume {result.folder.batch_id}` goes on with what can go on"
    where = str(result.folder.path)
    problem = Problem("batch.unfinished", where, "all runs to succeed", found, fix)
    kinds = {each.exit_code: each for each in (*TunebookError.__subclasses__(), StoppedError)}
    return kinds.get(ExitCode(result.exit_code), StoppedError)(problem)


def _next_commands(settings: Settings, result: BatchResult) -> list[str]:
    where = f" --runs-dir {shlex.quote(settings.runs_dir_given)}" if settings.runs_dir_given else ""
    batch = shlex.quote(result.folder.batch_id)
    commands = [f"tunebook batches {batch}{where}"]
    states = {entry.state for entry in result.entries}
    if states & {"queued", "stopped", "timed_out", "lost"}:
        commands.append(f"tunebook resume {batch}{where}")
    if "failed" in states:
        commands.append(f"tunebook resume {batch} --retry-failed{where}")
    best = [entry.run for entry in result.entries if entry.state == "succeeded" and entry.run]
    if best:
        commands.append(f"tunebook show {best[0].run_id}{where}")
    return commands


def _dry_run(
    settings: Settings, host: PluginHost, plan: BatchPlan, prepared: Prepared, retry_failed: bool
) -> Answer:
    from tunebook.batch.drive import executor_config
    from tunebook.batch.estimate import estimate_time
    from tunebook.batch.standing import standing

    board = standing(prepared.folder, prepared.file)[0]
    skipped = ("succeeded",) if retry_failed else ("succeeded", "failed")
    wanted = [entry for entry in board.entries if entry.state not in skipped]
    places = getattr(executor_config(host, plan.executor), "slots_here", lambda: None)()
    estimate = estimate_time(settings.runs_dir, prepared.validated, wanted, places)
    rows = [(entry.key, *_cells(entry), entry.state) for entry in wanted[:MOST_ROWS]]
    more = len(wanted) - len(rows)
    done = len(board) - len(wanted)
    lines = [
        f"batch {prepared.folder.batch_id}: {len(wanted)} runs to do"
        + (f", {done} done or failed before" if done else ""),
        *prepared.notes,
        f"time: {estimate}",
        "",
        table(rows, ("key", "case", "parameters", "state")) if rows else "",
        f"and {more} more" if more else "",
    ]
    data = {
        "event": "plan",
        "batch": prepared.folder.batch_id,
        "path": str(prepared.folder.path),
        "new": not prepared.existed,
        "added": prepared.added,
        "notes": list(prepared.notes),
        "estimate": estimate.to_dict(),
        "runs": [entry.to_dict() for entry in wanted],
    }
    return Answer("\n".join(lines).strip(), data, hints=[DRY], one_line=True)


def _cells(entry: Any) -> tuple[str, str]:
    from tunebook.batch.values import in_words

    return entry.case.rpartition("/")[2], in_words(entry.parameters)
