"""Looking at a run from outside: `watch` and `events`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import SCHEMA_VERSION, Answer
from tunebook.cli.application import Settings, command
from tunebook.cli.dashboard import Dashboard
from tunebook.cli.history import chosen_run
from tunebook.events import event_of, read_events
from tunebook.ownership import owner
from tunebook.progress import EventFollower, LineProgress, RunFollower, describe

if TYPE_CHECKING:
    from tunebook.records import RunDirectory

LOOK_SECONDS = 0.2


@command("watch")
@click.argument("run", default="last")
@click.pass_obj
def watch_command(settings: Settings, run: str) -> Answer:
    """Watch RUN until it ends: progress, loss, scores, rate, speed, time left, memory.

    In a terminal a picture is redrawn; elsewhere lines are printed, and Ctrl-C only ends the
    watching. RUN is a run id, the beginning of one, a folder, or `last`.
    """
    directory = chosen_run(settings, run)
    shown = click.get_text_stream("stderr")
    if shown.isatty():
        with Dashboard(directory, shown) as dashboard:
            _follow(directory, RunFollower(directory.path, dashboard))
    else:
        _follow(directory, RunFollower(directory.path, LineProgress(shown)))
    record = directory.read_record()
    status = record.status
    if status == "running":
        status = "running" if owner(directory.path) else "cut short"
    data = {"run_id": directory.run_id, "status": status}
    return Answer(f"{directory.run_id}: {status}", data, hints=_next(directory, status))


@command("events")
@click.argument("run", default="last")
@click.option("--follow", "-f", is_flag=True, help="Keep printing until the run ends.")
@click.option(
    "--since",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Leave out the first N events.",
)
@click.pass_obj
def events_command(settings: Settings, run: str, follow: bool, since: int) -> Answer | None:
    """Print the events of RUN, with `--json` one JSON object a line.

    What a resumed run has undone is left out, unless `--follow` prints all as it is written. RUN
    is a run id, the beginning of one, a folder, or `last`.
    """
    directory = chosen_run(settings, run)
    found = _events(directory, follow)
    assert settings.stdout is not None
    for number, content in enumerate(found):
        if number < since:
            continue
        text = _line(content) if not settings.as_json else json.dumps(_numbered(number, content))
        if text:
            settings.stdout.write(text + "\n")
            settings.stdout.flush()
    return None


def _numbered(number: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "number": number, **content}


def _line(content: dict[str, Any]) -> str:
    event = event_of(content)
    if event is None:
        return ""
    if content["type"] in ("step", "stage_step"):
        loss = "" if content["loss"] is None else f"  loss {content['loss']:.4f}"
        rate = f"  learning rate {content['learning_rate']:.3g}"
        return f"{'step':<11}  {content['step']}/{content['total_steps']}{loss}{rate}"
    return describe(event)


def _events(directory: RunDirectory, follow: bool) -> Iterator[dict[str, Any]]:
    """Yields the events so far, or all as they are written, until the run ends."""
    if not follow:
        yield from read_events(directory.events_file)
        return
    told: list[dict[str, Any]] = []
    follower = EventFollower(directory.events_file, lambda event: told.append(event.to_dict()))
    for _ in _looks(directory):
        follower.poll()
        yield from told
        told.clear()


def _looks(directory: RunDirectory) -> Iterator[None]:
    """Yields now and then while somebody works on a run, and once after that."""
    alive = True
    while alive:
        alive = owner(directory.path) is not None
        yield
        time.sleep(LOOK_SECONDS if alive else 0)


def _follow(directory: RunDirectory, follower: RunFollower) -> None:
    for _ in _looks(directory):
        follower.poll()


def _next(directory: RunDirectory, status: str) -> list[str]:
    again = status in ("cut short", "stopped", "failed", "timed_out")
    return [f"tunebook {'resume' if again else 'show'} {directory.run_id}"]
