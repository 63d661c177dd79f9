"""What there is to choose from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tunebook.cases import CaseFile, find_case
from tunebook.mcp.workspace import Workspace
from tunebook.records import RunRecord

Rows = Callable[[Workspace], list[dict[str, Any]]]


def about(workspace: Workspace, name: str) -> dict[str, Any]:
    """Returns what there is to know about a case, a plugin, `case`, `plan`, or, without a name,
    about everything in few words."""
    from tunebook.batch.plan import CASE_SUFFIXES, BatchPlan
    from tunebook.reference import field_rows, reference

    host = workspace.host()
    if not name:
        return _everything(workspace)
    if name == "plan":
        rows = [*field_rows(BatchPlan)]
        return {"name": name, "kind": name, "summary": BatchPlan.__doc__, "fields": _fields(rows)}
    if name in host.names("case") or name.endswith(CASE_SUFFIXES):
        return _about_case(name, find_case(host, workspace.case(name, host, {})))
    content = reference(host, name)
    return {**content, "fields": _fields(content.get("fields", ()))}


def plugins(kind: str) -> Rows:
    """Returns what lists the plugins of a kind."""
    return lambda workspace: [
        {"name": each.name, "summary": each.summary}
        | ({} if each.available else {"why_not": each.why_not})
        for each in workspace.host().listing()
        if each.kind == kind
    ]


def _cases(workspace: Workspace) -> list[dict[str, Any]]:
    host = workspace.host()
    return [{"name": n, "summary": host.get("case", n).summary} for n in host.names("case")]


def _runs(workspace: Workspace) -> list[dict[str, Any]]:
    told = []
    for run, record in workspace.records():
        about_it: dict[str, Any] = {"run_id": run.run_id, "path": workspace.relative(run.path)}
        if isinstance(record, RunRecord):
            keep = ("case", "strategy", "seed", "status", "started")
            about_it |= {key: getattr(record, key) for key in keep} | headline(record)
        else:
            about_it |= {"status": "damaged", "error": record.to_dict()}
        told.append(about_it)
    return told[::-1]


def _batches(workspace: Workspace) -> list[dict[str, Any]]:
    from tunebook.batch.folder import find_batches

    folders = find_batches(workspace.runs_dir)[::-1]
    return [{"batch": each.batch_id, "path": workspace.relative(each.path)} for each in folders]


LISTS: Mapping[str, Rows] = {"cases": _cases, "runs": _runs, "batches": _batches}
"""By kind that is no kind of plugin, what lists it."""


def headline(record: RunRecord) -> dict[str, Any]:
    """Returns the primary score of each task with its interval; nothing without a result."""
    scores = {
        name or report.primary: {
            "score": report.primary,
            **report.scores[report.primary].model_dump(),
        }
        for name, each in record.by_task().items()
        if (report := each.report) and report.primary in report.scores
    }
    return {"headline": scores} if scores else {}


def _everything(workspace: Workspace) -> dict[str, Any]:
    from tunebook.surface import surface

    whole = surface(workspace.host())
    kinds: dict[str, list[str]] = {}
    for each in whole["plugins"]:
        kinds.setdefault(each["kind"], []).append(each["name"])
    keep = ("versions", "states", "exit_codes", "error_shape")
    controls = {name: each["summary"] for name, each in whole["controls"].items()}
    return {
        "cases": [each["name"] for each in whole["cases"]],
        "plugins": kinds,
        "controls": controls,
        **{key: whole[key] for key in keep},
        "workspace": {
            "read_only": workspace.read_only,
            "runs": workspace.relative(workspace.runs_dir),
        },
    }


def _about_case(name: str, file: CaseFile) -> dict[str, Any]:
    from tunebook.notebooks.parameters import read_parameters

    return {
        "name": name,
        "kind": "case",
        "title": file.case.get("title", ""),
        "case": dict(file.case),
        "presets": {"default": {}, **file.presets},
        "strategies": dict(file.strategies),
        "notebook": read_parameters(file.notebook) if file.notebook else None,
        "more": "describe(name='case') has every setting; validate shows what they come to",
    }


def _fields(rows: Any) -> list[dict[str, str]]:
    keys = ("key", "type", "default", "description")
    return [dict(zip(keys, row, strict=True)) for row in rows]
