"""Starting a run in a process of its own, which outlives the caller."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tunebook.batch.job import Job
from tunebook.errors import MachineError, Problem
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Limits, Plan, begin_in, make_plan
from tunebook.notebooks.launched import Launched
from tunebook.notebooks.processes import check_processes
from tunebook.ownership import check_free, starting
from tunebook.records import RunDirectory, write_problem
from tunebook.resumption import RESUME
from tunebook.shipping import check_shippable, files_for, keep_sources, made_here

NOT_INHERITED = ("TUNEBOOK_RUN_DIR", RESUME)
"""Environment variables that mean the run that the caller itself is in."""


def start_detached(
    host: PluginHost,
    case_name: str,
    parameters: Mapping[str, Any],
    *,
    runs_dir: Path,
    plugin_files: Sequence[str | Path] = (),
    with_notebook: bool = True,
    limits: Limits | None = None,
    processes: int = 1,
) -> RunDirectory:
    """Starts a run and returns its directory at once; the run goes on when the caller ends.

    Everything is checked first, as `tunebook run` does, and a mistake leaves nothing behind. What
    the run prints goes to its `log.txt`.

    Args:
        host: Plugins.
        case_name: A case, or the path of its file.
        parameters: Values by dotted path, and ``preset``.
        runs_dir: Where the run's directory is made.
        plugin_files: Single-file plugins that the run loads, beside those of the host.
        with_notebook: Whether it runs in the case's notebook, where there is one.
        limits: How long it may take.
        processes: How many train the model together.

    Raises:
        ConfigError: The case or a parameter is wrong, or a plugin that was made in this session
            cannot be had by another process.
        MachineError: The directory can't be written to, or no process can be started.
    """
    check_shippable(host)
    plan = make_plan(host, case_name, parameters, with_notebook=with_notebook)
    plan = replace(plan, processes=processes)
    if processes > 1:
        check_processes(plan.case, plan.notebook, processes)
    case = plan.case
    label = f"{case.strategy.kind}-s{case.seed}"
    run = RunDirectory.create(runs_dir.resolve(), case.name, label)
    files = [str(file) for file in files_for(host, run.plugins, plugin_files)]
    job = Job(
        "launch",
        case_name,
        dict(parameters),
        with_notebook,
        files,
        asdict(limits or Limits()),
        str(Path.cwd()),
        processes,
    )
    try:
        with starting(run.path) as hand_over:
            keep_sources(made_here(host), run.plugins)
            _write_plan(run, plan, files)
            hand_over(_start(run, job))
    except BaseException:  # nothing has begun
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def resume_detached(run: RunDirectory, *, limits: Limits | None = None) -> RunDirectory:
    """Goes on with a run that was cut short, as `start_detached` starts one.

    Raises:
        ConfigError: Somebody works on the run, or what it was launched with is damaged or gone.
        MachineError: The directory can't be written to, or no process can be started.
    """
    check_free(run.path)
    run.read_case()
    files = [str(file) for file in Launched.of(run).plugin_files]
    job = Job("resume", "", {}, True, files, asdict(limits or Limits()), str(Path.cwd()))
    with starting(run.path) as hand_over:
        hand_over(_start(run, job))
    return run


def _write_plan(run: RunDirectory, plan: Plan, plugin_files: Sequence[str]) -> None:
    """Writes what `resume` needs, should the process die before it has begun."""
    begin_in(run, plan.case)
    Launched.now(plan.notebook, plan.injected, plugin_files, plan.processes).keep(run)


def _start(run: RunDirectory, job: Job) -> int:
    """Starts the process of a run; returns its id."""
    path = job.write(run)
    environment = {k: v for k, v in os.environ.items() if k not in NOT_INHERITED}
    try:
        with run.log_file.open("ab") as log:
            process = subprocess.Popen(
                # -P: a file in the working directory must not stand in for a module
                [sys.executable, "-P", "-m", "tunebook.handles", str(path)],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # neither Ctrl-C nor the end of a terminal reaches it
            )
    except OSError as error:
        if error.filename == str(run.log_file):
            raise MachineError(write_problem(run.log_file, error)) from error
        raise MachineError(_not_started(run, error)) from error
    threading.Thread(target=_reap, args=(process,), daemon=True).start()
    return process.pid


def _reap(process: subprocess.Popen[bytes]) -> None:
    """A caller that lives on must not keep the remains of a process that has ended."""
    with suppress(OSError):
        process.wait()


def _not_started(run: RunDirectory, error: OSError) -> Problem:
    found = error.strerror or str(error)
    fix = "end what else runs here, then try again"
    return Problem("environment.no_process", str(run.path), "to start a process", found, fix)
