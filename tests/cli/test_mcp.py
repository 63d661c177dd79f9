"""`mcp` before it serves: what keeps it from doing so."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunebook.errors import ExitCode

Invoke = Callable[..., Any]


def test_without_the_extra_it_says_what_to_install(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("tunebook.mcp.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("mcp", "mcp.server", "mcp.server.mcpserver"):
        monkeypatch.setitem(sys.modules, name, None)
    result = invoke("mcp")
    assert result.exit_code == ExitCode.ENVIRONMENT
    assert 'pip install "tunebook[mcp]"' in result.stderr
    assert result.stdout == ""


def test_it_has_no_answer_in_json(invoke: Invoke) -> None:
    result = invoke("mcp", "--json")
    assert result.exit_code == ExitCode.CONFIG
    assert json.loads(result.stdout)["error"]["problems"][0]["code"] == "usage.option"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--workspace", "no-such-folder"], "mcp.no_workspace"),
        (["--workspace", "work", "--runs-dir", "../runs"], "mcp.outside_workspace"),
        (["--workspace", "work", "--runs-dir", "/"], "mcp.outside_workspace"),
        (["--workspace", "work", "--runs-dir", "a-file"], "runs_dir.not_a_folder"),
    ],
)
def test_where_it_cannot_work(
    invoke: Invoke, tmp_path: Path, arguments: list[str], code: str
) -> None:
    pytest.importorskip("mcp.server", reason="needs the extra mcp")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a-file").write_text("")
    result = invoke("mcp", *arguments)
    assert result.exit_code == ExitCode.CONFIG
    assert result.stderr.startswith(f"error: {code}\n")


def test_runs_are_those_of_the_workspace(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = pytest.importorskip("tunebook.mcp.server", reason="needs the extra mcp")
    served: list[Path] = []
    monkeypatch.setattr(server, "serve", lambda workspace: served.append(workspace.runs_dir))
    (tmp_path / "work").mkdir()
    (tmp_path / "runs").write_text("a file where the command is typed is none of its business")
    assert invoke("mcp", "--workspace", "work").exit_code == 0
    assert served == [(tmp_path / "work" / "runs").resolve()]
