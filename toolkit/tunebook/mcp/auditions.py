"""Auditions for a client: checked, started apart from the server, looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunebook.audition.as_data import as_data
from tunebook.audition.folder import FILE, read_audition
from tunebook.audition.opening import Opened, open_audition, write_audition
from tunebook.audition.plan import AuditionPlan, make_audition_plan, strategies_for
from tunebook.audition.reading import Audition
from tunebook.batch.folder import BatchFolder
from tunebook.errors import ConfigError
from tunebook.mcp.batches import check_again, set_off
from tunebook.mcp.workspace import Workspace
from tunebook.ownership import AUDITIONS, is_owned


def prepare(workspace: Workspace, wanted: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Checks an audition and sets it off; only says what would be done with `dry_run`.

    Args:
        workspace: Where a client may work.
        wanted: What `make_audition_plan` takes; every strategy that fits without `candidates`.
        dry_run: Whether to write nothing.

    Raises:
        TunebookError: With all that is wrong with it, or the right to start one is missing.
    """
    if not dry_run:
        workspace.check_may_write("audition")
    host = workspace.host()
    content = _inside(workspace, wanted)
    left_out: Mapping[str, str] = {}
    if not content["candidates"]:
        content["candidates"], left_out = strategies_for(
            host, content["case"], content["parameters"]
        )
    opened = open_audition(
        host,
        make_audition_plan(host, content),
        workspace.runs_dir,
        left_out=left_out,
        plugin_files=workspace.plugin_files,
    )
    workspace.check_batch(opened.folder)
    workspace.check_inside(opened.folder.path / FILE, "audition")
    if dry_run:
        return {"dry_run": True, **_told(opened)}
    busy = is_owned(opened.folder.path, AUDITIONS)
    if not busy and not opened.file.ended:
        write_audition(opened)
    budget = read_audition(opened.folder).plan.budget  # whoever is at work keeps to its own
    told = {**_told(opened), "budget_seconds": budget}
    return {**told, **_set_off(workspace, opened.folder)}


def go_on(workspace: Workspace, folder: BatchFolder) -> dict[str, Any]:
    """Sets an audition off again; which was checked when it began, but can have been changed since.

    Raises:
        TunebookError: Something in it leads out now, or the right to start one is missing.
    """
    workspace.check_may_write("audition")
    _inside(workspace, _read(workspace, folder).model_dump(mode="json"))
    check_again(workspace, folder)
    return _set_off(workspace, folder)


def look(workspace: Workspace, folder: BatchFolder) -> dict[str, Any]:
    """Returns what an audition has shown so far."""
    _read(workspace, folder)
    audition = Audition(folder, workspace.host())
    return {**as_data(audition), "path": workspace.relative(folder.path), "held": audition.held}


def _read(workspace: Workspace, folder: BatchFolder) -> AuditionPlan:
    workspace.check_inside(folder.path / FILE, "audition")
    return read_audition(folder).plan


def _set_off(workspace: Workspace, folder: BatchFolder) -> dict[str, Any]:
    told = set_off(workspace, folder)
    return {**told, "audition": folder.batch_id, "next": f"audition {folder.batch_id}"}


def _inside(workspace: Workspace, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is wanted, with the place of the case, where nothing names one outside.

    Raises:
        ConfigError: Something does; with every such value.
    """
    rest = {key: value for key, value in wanted.items() if key != "case"}
    problems = [*workspace.escapes(rest, "audition")]
    if problems:
        raise ConfigError(*problems)
    case = workspace.case(wanted["case"], workspace.host(), wanted["parameters"])
    return {**rest, "case": case}


def _told(opened: Opened) -> dict[str, Any]:
    file, rung = opened.file, opened.file.rungs[-1].rung
    return {
        "audition": opened.folder.batch_id,
        "all_rows": file.all_rows,
        "budget_seconds": file.plan.budget,
        "spent_seconds": round(file.spent, 1),
        "ended": file.ended,
        "rung": {"rows": rung.rows, "seeds": rung.seeds, "candidates": list(rung.candidates)},
        "left_out": dict(file.left_out),
    }
