"""Going on with what was cut short: `resume`."""

from __future__ import annotations

import time

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import Settings, command
from tunebook.cli.run import answer_about, time_options
from tunebook.notebooks.launch import Limits, resume


@command("resume", short_help="Go on with a run that was cut short.")
@click.argument("run")
@time_options
@click.pass_obj
def resume_command(settings: Settings, run: str, timeout: float, start_timeout: float) -> Answer:
    """Go on with RUN, a run id, the beginning of one, a folder, or `last`, in its own directory.

    It continues from its last checkpoint to the result of a run that nothing had cut short. One
    that has succeeded is left as it is.
    """
    from tunebook.records import find_run

    started = time.time()
    directory = find_run(settings.runs_dir.resolve(), run)
    limits = Limits(timeout, start_timeout)
    directory, _ = resume(directory, settings.host(), limits=limits, debug=settings.debug)
    return answer_about(settings, directory, time.time() - started)
