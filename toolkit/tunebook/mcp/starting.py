"""Starting a run for a client, once however often it asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from tunebook.errors import ConfigError, Problem
from tunebook.mcp.workspace import Workspace
from tunebook.notebooks.launch import Limits
from tunebook.records import RunDirectory


@dataclass(frozen=True)
class Start:
    """What a client wants to run; either a case, or a run to resume."""

    case: str
    parameters: Mapping[str, Any]
    resume: str = ""
    plan: str = ""
    notebook: bool = True
    timeout: float | None = None


def start(workspace: Workspace, wanted: Start, token: str) -> dict[str, Any]:
    """Starts a run, unless `token` has started one; returns its state, and whether it is new.

    Raises:
        TunebookError: What is wanted is wrong, or can't be started; nothing is left behind.
    """
    from tunebook.handles import start_once

    if bool(wanted.case) == bool(wanted.resume):
        found = "both" if wanted.case else "neither"
        problem = ("mcp.argument", "run_start", "a case, or a run to resume", found)
        raise ConfigError(Problem(*problem, "give one of `case` and `resume`"))
    make = partial(_resume if wanted.resume else _launch, workspace, wanted)
    if not token:
        return _told(workspace, make(), new=True)
    run, new = start_once(token, asdict(wanted), workspace.runs_dir, make)
    return _told(workspace, run, new=new)


def _launch(workspace: Workspace, wanted: Start) -> RunDirectory:
    from tunebook.handles import start_detached

    host = workspace.host()
    name = workspace.case(wanted.case, host, wanted.parameters)
    if wanted.plan:
        _check_plan(workspace, name, wanted)
    return start_detached(
        host,
        name,
        wanted.parameters,
        runs_dir=workspace.runs_dir,
        plugin_files=workspace.plugin_files,
        with_notebook=wanted.notebook,
        limits=_limits(wanted),
    )


def _resume(workspace: Workspace, wanted: Start) -> RunDirectory:
    from tunebook.handles import resume_detached

    run = workspace.run(wanted.resume)
    # what it was launched with was checked then, but its files can have been changed since
    problems = [*workspace.escapes(run.read_case(), "case.json")]
    host = workspace.host()
    case = run.read_case().get("name", "")
    if problems and case not in host.names("case"):
        raise ConfigError(*problems)
    return resume_detached(run, limits=_limits(wanted))


def _check_plan(workspace: Workspace, name: str, wanted: Start) -> None:
    from tunebook.notebooks.launch import make_plan
    from tunebook.planning import check_planned, identity_of

    host = workspace.host()
    plan = make_plan(host, name, wanted.parameters, with_notebook=wanted.notebook)
    check_planned(identity_of(host, plan), wanted.plan)


def _limits(wanted: Start) -> Limits:
    return Limits() if wanted.timeout is None else Limits(timeout=wanted.timeout)


def _told(workspace: Workspace, run: RunDirectory, *, new: bool) -> dict[str, Any]:
    from tunebook.handles import state_of

    workspace.check_inside(run.path, "token")
    told = state_of(run)
    keep = ("run_id", "state", "case", "strategy", "seed")
    about = {key: told[key] for key in keep if told[key] is not None}
    return {"new": new, **about, "path": workspace.relative(run.path), "next": "run_wait"}
