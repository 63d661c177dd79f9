"""Batches for a client: checked, started apart from the server, looked at."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunebook.batch.failures import group_failures
from tunebook.batch.lock import is_driven
from tunebook.batch.opening import Prepared, prepare_batch, write_batch
from tunebook.batch.plan import make_batch_plan
from tunebook.batch.standing import standing
from tunebook.errors import ConfigError, MachineError, Problem
from tunebook.mcp.workspace import Workspace
from tunebook.ownership import AUDITIONS, is_owned

if TYPE_CHECKING:
    from tunebook.batch.entry import Entry
    from tunebook.batch.folder import BatchFolder

LOG = "driver.log"


def prepare(workspace: Workspace, plan: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Checks a plan and sets its batch off; only says what would be done with `dry_run`.

    Raises:
        TunebookError: With all that is wrong with the plan, or the right to start one is missing.
    """
    if not dry_run:
        workspace.check_may_write("batch")
    host = workspace.host()
    checked = make_batch_plan(host, _inside(workspace, plan))
    prepared = prepare_batch(host, checked, workspace.runs_dir, plugin_files=workspace.plugin_files)
    workspace.check_batch(prepared.folder)
    if dry_run:
        return _planned(prepared)
    write_batch(prepared)
    return {"notes": list(prepared.notes), **set_off(workspace, prepared.folder)}


def go_on(workspace: Workspace, folder: BatchFolder) -> dict[str, Any]:
    """Sets a batch off again.

    Raises:
        TunebookError: Something in it leads out now, or the right to start one is missing.
    """
    workspace.check_may_write("batch")
    check_again(workspace, folder)
    return set_off(workspace, folder)


def check_again(workspace: Workspace, folder: BatchFolder) -> None:
    """Checks a plan, which was checked when it began: it and its cases can have been changed since.

    Raises:
        ConfigError: Something in it leads out now.
    """
    entries = folder.read_plan().entries
    cases = [*dict.fromkeys(entry.case for entry in entries)]
    _inside(workspace, {"cases": cases, "runs": [dict(entry.parameters) for entry in entries]})


def set_off(workspace: Workspace, folder: BatchFolder) -> dict[str, Any]:
    """Starts a process that drives a batch, or carries its audition out, and outlives the server;
    none where one does already.

    Raises:
        MachineError: No process can be started.
    """
    workspace.check_may_write("batch")
    started = not (is_driven(folder) or is_owned(folder.path, AUDITIONS))
    if started:
        _drive(workspace, folder)
    return {"batch": folder.batch_id, "started": started, "next": f"batch {folder.batch_id}"}


def look(folder: BatchFolder) -> dict[str, Any]:
    """Returns how far a batch is."""
    board, driven = standing(folder)
    return {
        "batch": folder.batch_id,
        "driven": driven,
        "counts": board.counts(),
        "entries": [_entry(entry) for entry in board.entries],
        "failures": [failure.to_dict() for failure in group_failures(board.entries)],
    }


def _inside(workspace: Workspace, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a plan whose cases and values name nothing outside.

    Raises:
        ConfigError: Something does; with every such value.
    """
    host = workspace.host()
    problems = [*workspace.escapes(plan, "plan")]
    if problems:
        raise ConfigError(*problems)
    given = plan.get("cases", [plan["case"]] if "case" in plan else [])
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return dict(plan)  # for the plan itself to refuse
    cases = [workspace.case(name, host, {}) for name in names]
    rest = {key: value for key, value in plan.items() if key not in ("case", "cases")}
    return {**rest, "cases": cases} if cases else rest


def _drive(workspace: Workspace, folder: BatchFolder) -> None:
    words = ["resume", folder.batch_id, "--runs-dir", str(workspace.runs_dir), "--json"]
    try:
        with (folder.path / LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tunebook.cli", *words],
                cwd=workspace.root,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        found = error.strerror or str(error)
        fix = "end what else runs here, then try again"
        problem = ("environment.no_process", str(folder.path), "to start a process", found, fix)
        raise MachineError(Problem(*problem)) from error
    threading.Thread(target=process.wait, daemon=True).start()


def _planned(prepared: Prepared) -> dict[str, Any]:
    return {
        "dry_run": True,
        "batch": prepared.folder.batch_id,
        "added": prepared.added,
        "notes": list(prepared.notes),
        "entries": [_entry(entry) for entry in prepared.file.entries],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {key: value for key, value in entry.to_dict().items() if value is not None}
