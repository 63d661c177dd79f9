"""Workspaces for the MCP server, and calls of its tools without a wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny
from tunebook.mcp.workspace import Workspace

Call = Callable[..., dict[str, Any]]


def copy_of(source: Path, target: Path) -> None:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())


def write_case(path: Path, **changes: Any) -> Path:
    content = tiny.case_content(Path("bert"), **changes)
    content["presets"] = {"smoke": {"training": {"epochs": 1}}}
    path.write_text(json.dumps(content))
    return path


def caller(workspace: Workspace) -> Call:
    from tunebook.mcp.server import Door

    door = Door(workspace)

    def ask(tool: str, /, **arguments: Any) -> dict[str, Any]:
        result = door.called(tool, arguments)
        (content,) = result.content
        data: dict[str, Any] = json.loads(content.text)
        assert data == result.structured_content
        assert result.model_dump_json()  # as it goes over the wire
        assert data["schema_version"] == 1
        assert ("error" in data) == result.is_error
        return data

    return ask


def code_of(answer: dict[str, Any]) -> str:
    (problem,) = answer["error"]["problems"]
    assert {*problem} == {"code", "where", "expected", "found", "fix"}
    assert problem["fix"]
    assert "error" in answer["untrusted"]["keys"]
    return str(problem["code"])
