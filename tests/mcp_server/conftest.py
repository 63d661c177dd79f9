from __future__ import annotations

from pathlib import Path

import pytest

from mcp_server_help import Call, caller, copy_of, write_case
from tunebook.mcp.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a tiny model and a case on it, and a secret beside the workspace."""
    place = tmp_path / "workspace"
    place.mkdir()
    (tmp_path / "secret.csv").write_text("text,label\nsecret,a\n")
    (place / "model").symlink_to(place / "bert")
    copy_of(tiny_bert, place / "bert")
    write_case(place / "tiny.json")
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def workspace(folder: Path) -> Workspace:
    return Workspace.opened(folder, Path("runs"))


@pytest.fixture
def call(workspace: Workspace) -> Call:
    """Calls a tool as the wire does; returns what a client gets."""
    pytest.importorskip("mcp.server", reason="needs the extra mcp")
    return caller(workspace)
