"""What was run: `runs` and `show`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.validate import case_text
from tunebook.errors import ConfigError, Problem
from tunebook.events import in_words

if TYPE_CHECKING:
    from tunebook.records import EvalReport, RunDirectory, RunRecord

HEADER = ("run", "case", "strategy", "seed", "status", "started", "time", "result")
FILES = (
    "notebook",
    "report",
    "model",
    "predictions",
    "errors",
    "figures",
    "events_file",
    "log_file",
)


@command("runs")
@click.pass_obj
def runs_command(settings: Settings) -> Answer:
    """List the runs, oldest first; one whose record is damaged is shown as such."""
    from tunebook.records import iter_records

    entries = [*iter_records(settings.runs_dir)]
    data = [_run_data(run, record) for run, record in entries]
    if not entries:
        return Answer("", {"runs": []}, hints=[f"there are no runs in {settings.runs_dir}"])
    return Answer(table((_run_row(*entry) for entry in entries), HEADER), {"runs": data})


def _run_row(run: RunDirectory, record: RunRecord | ConfigError) -> tuple[object, ...]:
    if isinstance(record, ConfigError):
        return (run.run_id, run.path.parent.name, "", "", "damaged", "", "", _why(record))
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.started))
    seconds = _elapsed(record)
    names = (record.run_id, record.case, record.strategy, record.seed, record.status)
    return (*names, started, seconds, headline(record))


def _run_data(run: RunDirectory, record: RunRecord | ConfigError) -> dict[str, Any]:
    content: dict[str, Any] = {"run_id": run.run_id, "path": str(run.path)}
    if isinstance(record, ConfigError):
        return {**content, "status": "damaged", "error": record.to_dict()}
    keep = ("case", "strategy", "seed", "status", "started", "finished")
    dumped = record.model_dump(mode="json")
    return {**content, **{key: dumped[key] for key in keep}, "headline": headline_data(record)}


def _why(error: ConfigError) -> str:
    return f"{error.problems[0].code}: {error.problems[0].found}"


@command("show")
@click.argument("run")
@click.pass_obj
def show_command(settings: Settings, run: str) -> Answer:
    """Show RUN: a run id, the beginning of one, a folder, or `last`."""
    directory = chosen_run(settings, run)
    record = directory.read_record()
    case = directory.read_case() if directory.case_file.exists() else {}
    data = {
        "path": str(directory.path),
        "record": record.model_dump(mode="json"),
        "case": case,
        "files": files_of(directory),
    }
    return Answer("\n\n".join(_show_text(directory, record, case)), data)


def chosen_run(settings: Settings, name: str) -> RunDirectory:
    """Returns the run that a user means.

    Raises:
        ConfigError: There is no such run, or more than one.
    """
    from tunebook.records import find_run

    if not name.strip():
        problem = ("run.unknown", "RUN", "a run id", "an empty text", "see `tunebook runs`")
        raise ConfigError(Problem(*problem))
    return find_run(settings.runs_dir, name)


def files_of(run: RunDirectory) -> dict[str, str]:
    """Returns the files of a run that exist, by what they are."""
    paths = {name.removesuffix("_file"): getattr(run, name) for name in FILES}
    return {name: _relative(path) for name, path in paths.items() if path.exists()}


def _relative(path: Path) -> str:
    """Returns a path as a person would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def place_option(settings: Settings) -> str:
    """Returns what a suggested command needs so that it looks where this one did."""
    place = settings.runs_dir_given
    return f" --runs-dir {shlex.quote(place)}" if place else ""


def next_commands(settings: Settings, run: RunDirectory) -> list[str]:
    """Returns what to type to see and to use a run."""
    where = place_option(settings)
    commands = [f"tunebook show {run.run_id}{where}"]
    if run.model.is_dir():
        tasks = run.read_record().tasks
        task = f" --task {next(iter(tasks))}" if tasks else ""
        pair = ' --pair "second text"' if _of_pairs(run) else ""
        commands.append(f'tunebook predict {run.run_id}{task} "text"{pair}{where}')
    return commands


def _of_pairs(run: RunDirectory) -> bool:
    """Whether the first task of a run, or its only one, reads two texts."""
    case = run.read_case()
    first = next(iter(case.get("tasks", {}).values()), {}).get("task", {})
    return bool({**case.get("task", {}), **first}.get("pair"))


def headline(record: RunRecord) -> str:
    """Returns the primary score with its interval and its lead over the baselines."""
    parts = ((name, _headline(each.report)) for name, each in record.by_task().items())
    return "; ".join(f"{name} {part}".strip() for name, part in parts if part)


def _headline(report: EvalReport | None) -> str:
    if report is None or report.primary not in report.scores:
        return ""
    leads = "".join(
        f"; {comparison.difference.value:+.3f} [{comparison.difference.low:+.3f}, "
        f"{comparison.difference.high:+.3f}] against {comparison.against}"
        for comparison in report.comparisons
        if comparison.score == report.primary
    )
    return f"{report.primary} {report.scores[report.primary]} on {report.rows:,} rows{leads}"


def headline_data(record: RunRecord) -> dict[str, Any] | None:
    """Returns the primary score with its interval as JSON types; by task where there are some."""
    if record.tasks:
        return {name: headline_data(each) for name, each in record.by_task().items()}
    report = record.report
    if report is None or report.primary not in report.scores:
        return None
    return {"score": report.primary, **report.scores[report.primary].model_dump()}


def _show_text(run: RunDirectory, record: RunRecord, case: dict[str, Any]) -> Iterator[str]:
    yield table(_facts(run, record))
    if record.error:
        yield "\n".join(str(Problem(**p)) for p in record.error.get("problems", []))
    for name, each in record.by_task().items():
        if each.report:
            parts = [*_report_text(each.report)]
            yield from [f"task {name}: {part}" for part in parts] if name else parts
    if record.controls:
        yield "steered by hand\n" + "\n".join(f"  {text}" for text in map(steered, record.controls))
    if record.warnings:
        yield "warnings\n" + "\n".join(f"  {text}" for text in record.warnings)
    if case:
        yield "settings\n" + _indented(case_text(case))
    if files_of(run):
        yield "files\n" + _indented(table(files_of(run).items()))


def steered(control: Mapping[str, Any]) -> str:
    """Returns a line about something that was asked of a run and done."""
    asked = in_words(control["action"], control["arguments"])
    reason = f" ({control['reason']})" if control["reason"] else ""
    by = f", asked by {control['by']}" if control["by"] else ""
    return f"step {control['step']} of {control['stage']}: {asked}{reason}{by}"


def _facts(run: RunDirectory, record: RunRecord) -> list[tuple[str, str]]:
    share = record.parameters.get("share")
    facts = [
        ("run", run.run_id),
        ("case", record.case),
        ("strategy", record.strategy),
        ("seed", str(record.seed)),
        ("status", record.status),
        ("time", _elapsed(record)),
        ("trainable", f"{share:.2%} of the parameters" if isinstance(share, float) else ""),
        ("memory", f"{record.peak_memory_mb:,.0f} MB" if record.peak_memory_mb else ""),
        ("result", headline(record)),
    ]
    return [fact for fact in facts if fact[1]]


def _report_text(report: EvalReport) -> Iterator[str]:
    names = [*report.scores]
    rows = [("this run", *report.scores.values())]
    rows += [(b.title, *(b.scores.get(name, "") for name in names)) for b in report.baselines]
    interval = f"{report.level:.0%} intervals over {report.units:,} {report.resampled}s"
    yield f"{report.split} split, {report.rows:,} rows, {interval}\n" + _indented(
        table(rows, ("", *names))
    )
    differences = [(f"{c.score} over {c.against}", c.difference) for c in report.comparisons]
    if differences:
        yield "differences, paired\n" + _indented(table(differences))


def _elapsed(record: RunRecord) -> str:
    from tunebook.progress import duration

    return duration(record.finished - record.started) if record.finished else ""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
