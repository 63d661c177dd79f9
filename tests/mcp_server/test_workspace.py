"""The workspace is the only place: whatever leads out is refused, and nothing is read there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from example_audition import save_audition
from mcp_server_help import caller, code_of, write_case
from tunebook.audition.folder import FILE
from tunebook.batch.folder import BatchFolder
from tunebook.batch.opening import prepare_batch, write_batch
from tunebook.batch.plan import make_batch_plan
from tunebook.errors import ConfigError
from tunebook.mcp.workspace import Workspace, leads_out
from tunebook.records import RunDirectory, RunRecord


def outside(folder: Path) -> list[str]:
    """Ways of naming the file beside the workspace."""
    (folder / "link.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "up").symlink_to(folder.parent)
    return [
        str(folder.parent / "secret.csv"),
        "../secret.csv",
        "runs/../../secret.csv",
        "link.csv",
        "up/secret.csv",
        f"file:/{folder.parent}/secret.csv",
        "~/secret.csv",
        "/etc/passwd",
    ]


def test_what_leads_out_and_what_does_not(folder: Path) -> None:
    for text in outside(folder):
        assert leads_out(text, folder, folder), text
    inside = ["", "rows.csv", "a/b.csv", str(folder / "rows.csv"), "tiny.json", "model"]
    words = ["a text / with a slash", "org/model", "...", "5 < 6", "~5 mg", "x" * 9999, "a\0b"]
    for text in inside + words:
        assert not leads_out(text, folder, folder), text


@pytest.mark.parametrize("tool", ["validate", "plan", "audit", "run_start"])
def test_a_path_in_a_parameter(call: Any, folder: Path, tool: str) -> None:
    paths = outside(folder)
    assert len(paths) == 8
    for path in paths:
        given = {"data": {"kind": "files", "path": path}}
        assert code_of(call(tool, case="tiny.json", parameters=given)) == "mcp.outside_workspace"
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("key", ["data.path", "model.path", "notebook", "anything.at.all"])
def test_whatever_the_key_is_called(call: Any, folder: Path, key: str) -> None:
    told = call("validate", case="tiny.json", parameters={key: "../secret.csv"})
    assert code_of(told) == "mcp.outside_workspace"


def test_every_such_value_is_told_at_once(call: Any, folder: Path) -> None:
    told = call("validate", case="tiny.json", parameters={"a": "../x", "b": ["/etc", {"c": "~/"}]})
    places = [problem["where"] for problem in told["error"]["problems"]]
    assert places == ["parameters.a", "parameters.b.0", "parameters.b.1.c"]


@pytest.mark.parametrize("name", ["../tiny.json", "/etc/passwd.yaml", "up/case.yaml"])
def test_a_case_elsewhere(call: Any, folder: Path, name: str) -> None:
    write_case(folder.parent / "tiny.json")
    outside(folder)
    assert code_of(call("validate", case=name)) == "mcp.outside_workspace"


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"kind": "files", "path": "../secret.csv"}},
        {"notebook": "../evil.ipynb"},
        {"strategies": {"lora": {"model": {"path": "/etc"}}}},
    ],
)
def test_a_case_in_the_workspace_that_leads_out(
    call: Any, folder: Path, changes: dict[str, Any]
) -> None:
    write_case(folder / "bad.json", **changes)
    for tool in ("validate", "run_start", "describe"):
        arguments = {"name": "bad.json"} if tool == "describe" else {"case": "bad.json"}
        assert code_of(call(tool, **arguments)) == "mcp.outside_workspace"
    assert code_of(call("batch", plan={"cases": ["bad.json"]})) == "mcp.outside_workspace"


def test_a_relative_path_begins_where_runs_work(call: Any, folder: Path) -> None:
    """Only what is under `path` begins at the case file; a name of a model is taken as it is."""
    (folder / "sub").mkdir()
    content = json.loads((folder / "tiny.json").read_text())
    (folder / "sub" / "bad.json").write_text(json.dumps({**content, "model": "../secret"}))
    told = call("validate", case="sub/bad.json")
    assert code_of(told) == "mcp.outside_workspace"
    content["model"]["path"] = "../bert"
    (folder / "sub" / "good.json").write_text(json.dumps(content))
    assert call("validate", case="sub/good.json")["valid"] is True


def test_an_installed_case_may_lie_where_it_was_installed(call: Any) -> None:
    assert call("validate", case="medical_coding")["valid"] is True


@pytest.mark.parametrize("name", ["..", ".", "../runs", "/etc", "a/b", "a\\b", "", " ", "a\0b"])
@pytest.mark.parametrize("tool", ["run_status", "run_wait", "results", "run_control", "compare"])
def test_a_run_is_named_by_its_id_alone(call: Any, name: str, tool: str) -> None:
    more = {"run_control": {"action": "pause"}, "compare": {"other": name}}.get(tool, {})
    told = call(tool, run=name, **more)
    if tool == "results" and not name:
        assert told["groups"] == []
    else:
        assert code_of(told) == "run.unknown"


def test_a_run_that_is_a_link_out(call: Any, workspace: Workspace, tmp_path: Path) -> None:
    elsewhere = RunDirectory.create(tmp_path / "other", "tiny", "x")
    elsewhere.record_file.write_text("{}")
    (workspace.runs_dir / "tiny").mkdir(parents=True)
    (workspace.runs_dir / "tiny" / "stolen").symlink_to(elsewhere.path)
    assert code_of(call("run_status", run="stolen")) == "mcp.outside_workspace"


def test_a_record_that_is_a_link_out(call: Any, workspace: Workspace, tmp_path: Path) -> None:
    run = RunDirectory.create(workspace.runs_dir, "tiny", "x")
    run.record_file.symlink_to(tmp_path / "secret.csv")
    told = call("results", run=run.run_id)
    assert code_of(told) == "mcp.outside_workspace"
    assert "secret,a" not in json.dumps(told)


@pytest.mark.parametrize("file", ["predictions.parquet", "report.html", "tasks/one/record.json"])
def test_another_file_of_a_run_that_is_a_link_out(
    call: Any, workspace: Workspace, tmp_path: Path, file: str
) -> None:
    run = RunDirectory.create(workspace.runs_dir, "tiny", "x")
    run.record_file.write_text("{}")
    place = run.path / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "secret.csv")
    assert code_of(call("compare", run=run.run_id, other=run.run_id)) == "mcp.outside_workspace"


def test_what_lies_outside_is_neither_listed_nor_ranked(
    call: Any, workspace: Workspace, tmp_path: Path
) -> None:
    elsewhere = RunDirectory.create(tmp_path / "other", "secret", "x")
    record = RunRecord(run_id="x", case="secret", strategy="full", seed=0, started=1.0)
    elsewhere.write_record(record.updated(status="succeeded"))
    workspace.runs_dir.mkdir()
    (workspace.runs_dir / "secret").symlink_to(elsewhere.path.parent)
    (row,) = call("list", kind="runs")["runs"]
    assert row.keys() == {"run_id", "path", "status", "error"}
    assert row["error"]["problems"][0]["code"] == "mcp.outside_workspace"
    assert code_of(call("results", case="secret")) == "results.no_case"


@pytest.fixture
def batch(workspace: Workspace) -> BatchFolder:
    """A batch of one run that nobody drives."""
    host, plan = workspace.host(), {"cases": ["tiny.json"], "runs": [{"seed": 1}]}
    prepared = prepare_batch(host, make_batch_plan(host, plan), workspace.runs_dir)
    write_batch(prepared)
    return prepared.folder


@pytest.mark.parametrize("file", ["batch.jsonl", "runs/tiny", "runs/tiny/record.json"])
def test_a_part_of_a_batch_that_is_a_link_out(
    call: Any, batch: BatchFolder, tmp_path: Path, file: str
) -> None:
    assert call("batch", batch=batch.batch_id)["counts"] == {"queued": 1}
    (batch.path / file).parent.mkdir(exist_ok=True, parents=True)
    (batch.path / file).symlink_to(tmp_path)
    assert code_of(call("batch", batch=batch.batch_id)) == "mcp.outside_workspace"


def test_a_batch_whose_case_leads_out_by_now_is_not_resumed(
    call: Any, batch: BatchFolder, folder: Path
) -> None:
    write_case(folder / "tiny.json", data={"kind": "files", "path": "../secret.csv"})
    told = call("batch", batch=batch.batch_id, resume=True)
    assert code_of(told) == "mcp.outside_workspace"
    assert not (batch.path / "driver.log").exists()


@pytest.mark.parametrize("name", ["../x", "/etc", ""])
def test_a_batch_is_named_by_its_id_alone(call: Any, name: str) -> None:
    told = call("batch", batch=name) if name else call("batch")
    assert code_of(told) == ("batch.unknown" if name else "mcp.argument")


def test_an_audition_names_nothing_outside(call: Any, folder: Path, workspace: Workspace) -> None:
    out = {"strategy": "full", "data.path": "../secret.csv"}
    told = call("audition", case="tiny.json", candidates=[out, {"strategy": "lora"}])
    assert code_of(told) == "mcp.outside_workspace"
    told = call("audition", case="../tiny.json")
    assert code_of(told) == "mcp.outside_workspace"
    assert not workspace.runs_dir.exists()
    audition = save_audition(workspace.runs_dir, {256: {"full": 2.0, "ia3": 0.3}})
    assert call("audition", audition=audition.batch_id)["winner"] == {"strategy": "full"}
    content = json.loads((audition.path / FILE).read_text())
    content["plan"]["candidates"][0] = out
    (audition.path / FILE).write_text(json.dumps(content))
    told = call("audition", audition=audition.batch_id, resume=True)
    assert code_of(told) == "mcp.outside_workspace"
    (audition.path / FILE).unlink()
    (audition.path / FILE).symlink_to(folder.parent / "audition.json")
    told = call("audition", audition=audition.batch_id)
    assert code_of(told) == "mcp.outside_workspace"


def test_runs_lie_inside(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"mcp\.outside_workspace"):
        Workspace.opened(folder, folder.parent / "runs")
    (folder / "out").symlink_to(folder.parent)
    with pytest.raises(ConfigError, match=r"mcp\.outside_workspace"):
        Workspace.opened(folder, Path("out/runs"))


@pytest.mark.parametrize("name", ["no-such-folder", "tiny.json"])
def test_a_workspace_is_a_folder(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"mcp\.no_workspace"):
        Workspace.opened(folder / name, Path("runs"))


def test_a_server_that_only_reads(folder: Path) -> None:
    pytest.importorskip("mcp.server", reason="needs the extra mcp")
    ask = caller(Workspace.opened(folder, Path("runs"), read_only=True))
    before = sorted(folder.rglob("*"))
    for told in (
        ask("run_start", case="tiny.json"),
        ask("run_control", run="last", action="stop"),
        ask("batch", plan={"cases": ["tiny.json"]}),
        ask("audition", case="tiny.json"),
    ):
        assert code_of(told) == "mcp.read_only"
    assert ask("validate", case="tiny.json")["valid"]
    plan = {"cases": ["tiny.json"], "grid": {"seed": [0, 1]}}
    assert ask("batch", plan=plan, dry_run=True)["dry_run"]
    assert ask("audit", case="tiny.json")["tasks"][""]["rows"]
    assert sorted(folder.rglob("*")) == before
