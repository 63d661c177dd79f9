"""What a program may rely on, for every command there is: JSON, streams, exit codes, dry runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import tiny
from tunebook.cli.application import application
from tunebook.cli.commands import STREAMS, exit_codes_of, walk
from tunebook.errors import EXIT_CODES, TunebookError
from tunebook.records import RunDirectory

CALLS: dict[str, tuple[str, int]] = {
    "plugins": ("plugins", 0),
    "schema": ("schema", 0),
    "describe": ("describe", 0),
    "validate": ("validate tiny.json", 0),
    "check": ("check no-such-plugin", 2),
    "matrix": ("matrix no-such-strategy", 2),
    "new plugin": ("new plugin top_layers --kind strategy --dry-run", 0),
    "new case": ("new case tickets --task regression --dry-run", 0),
    "new where": ("new where", 0),
    "plan": ("plan tiny.json", 0),
    "run": ("run tiny.json --dry-run", 0),
    "runs": ("runs", 0),
    "show": ("show last", 0),
    "status": ("status last", 0),
    "wait": ("wait last --timeout 5", 0),
    "logs": ("logs last --since 0", 0),
    "stop": ("stop last --dry-run", 0),
    "results": ("results", 0),
    "watch": ("watch last", 0),
    "events": ("events last", 0),
    "control": ("control last pause --dry-run", 2),
    "batch": ("batch tiny.json --grid seed=1..3 --dry-run", 0),
    "batches": ("batches", 0),
    "audition": ("audition tiny.json --grid strategy=full,lora --dry-run", 0),
    "resume": ("resume last --dry-run", 2),
    "rerun": ("rerun last --dry-run", 2),
    "leaderboard": ("leaderboard no-such-batch --dry-run", 2),
    "predict": ("predict last text", 2),
    "doctor": ("doctor --no-network", 0),
    "cache ls": ("cache ls", 0),
    "cache rm": ("cache rm --all --dry-run", 0),
    "cache verify": ("cache verify --dry-run", 0),
    "kernel install": ("kernel install --dry-run", 0),
    "kernel uninstall": ("kernel uninstall --dry-run", 0),
    "kernel status": ("kernel status", 0),
    "kernel stop": ("kernel stop --dry-run", 0),
    "nb lint": ("nb lint no-such.ipynb --fix --dry-run", 2),
    "nb params": ("nb params no-such.ipynb", 2),
    "nb set": ("nb set no-such.ipynb seed=1 --dry-run", 2),
    "nb strip": ("nb strip no-such.ipynb --dry-run", 2),
    "nb diff": ("nb diff no-such.ipynb nor-this.ipynb", 2),
    "nb to-py": ("nb to-py no-such.ipynb --dry-run", 2),
    "nb from-py": ("nb from-py no-such.py --dry-run", 2),
    "mcp": ("mcp", 2),
    "skills add": ("skills add --dry-run", 0),
    "skills text": ("skills text", 0),
}
"""By command, a call of it on a run that has ended and its exit code. A new command needs a line
here; one that writes or ends something needs ``--dry-run``."""

READS = {
    "plugins",
    "schema",
    "describe",
    "validate",
    "check",
    "matrix",
    "new where",
    "plan",
    "runs",
    "show",
    "status",
    "wait",
    "logs",
    "results",
    "watch",
    "events",
    "batches",
    "predict",
    "doctor",
    "cache ls",
    "kernel status",
    "nb params",
    "nb diff",
    "mcp",
    "skills text",
}
"""Commands that leave everything as it is; `check` and `matrix` have folders of their own."""


def commands() -> dict[str, click.Command]:
    return dict(walk(application, click.Context(application)))


@pytest.fixture
def call(
    finished_run: RunDirectory, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Calls a command where nobody sits at the keyboard."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.json").write_text(json.dumps(tiny.case_content(tiny_bert)))

    def no_prompt(*_: object, **__: object) -> str:
        raise AssertionError("a prompt")

    for name in ("visible_prompt_func", "hidden_prompt_func"):
        monkeypatch.setattr(f"click.termui.{name}", no_prompt)
    monkeypatch.setattr("builtins.input", no_prompt)

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(application, [*arguments])
        assert not isinstance(result.exception, AssertionError), result.exception
        return result

    return run


def objects(name: str, stdout: str) -> list[dict[str, Any]]:
    """Returns the JSON of an answer: one object, or one for each line."""
    if name in ("events", "batch"):
        return [json.loads(line) for line in stdout.splitlines()]
    return [json.loads(stdout)]


def test_the_table_is_whole() -> None:
    assert {*CALLS} == {*commands()}
    assert len(CALLS) == 46
    assert {*STREAMS} <= {*CALLS}
    assert {*CALLS} > READS


@pytest.mark.parametrize("name", CALLS)
def test_json_is_all_there_is_on_standard_output(call: Callable[..., Any], name: str) -> None:
    line, exit_code = CALLS[name]
    result = call(*line.split(), "--json")
    assert result.exit_code == exit_code, result.output
    for content in objects(name, result.stdout):
        assert content["schema_version"] == 1
        assert ("error" in content) == (exit_code != 0)
        if exit_code:
            assert content["error"]["exit_code"] == exit_code
            assert all(problem["fix"] for problem in content["error"]["problems"])
    assert "Traceback" not in result.stderr
    assert not any(line.startswith(("{", "}")) for line in result.stderr.splitlines())
    assert result.exit_code in exit_codes_of(name)


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_one_object_too(call: Callable[..., Any], name: str) -> None:
    result = call(*name.split(), "--no-such-option", "--json")
    (content,) = objects(name, result.stdout)
    assert result.exit_code == content["error"]["exit_code"] == 2
    assert content["error"]["problems"][0]["code"] == "usage.unknown_option"


@pytest.mark.parametrize("name", [name for name in CALLS if name not in READS])
def test_what_writes_or_ends_something_can_be_tried(call: Callable[..., Any], name: str) -> None:
    flags = [flag for option in commands()[name].params for flag in option.opts]
    assert "--dry-run" in flags
    here = Path.cwd()
    before = sorted(str(path) for path in here.rglob("*"))
    prefix = Path(sys.prefix) / "share" / "jupyter" / "kernels" / "tunebook-warm"
    there = prefix.exists()
    call(*CALLS[name][0].split())
    assert sorted(str(path) for path in here.rglob("*")) == before
    assert prefix.exists() == there


def test_all_exit_codes_are_documented(call: Callable[..., Any]) -> None:
    raised = {int(each.exit_code) for each in TunebookError.__subclasses__()}
    assert raised <= {*map(int, EXIT_CODES)}
    told = call("--help").stdout
    assert all(f"  {int(code)}  {meaning}" in told for code, meaning in EXIT_CODES.items())
    assert all(code in {*map(int, EXIT_CODES)} for name in CALLS for code in exit_codes_of(name))


def test_describe_tells_of_plugins_without_settings(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "watcher.py"
    file.write_text(
        '"""Watches."""\nfrom tunebook import hookimpl\n\n'
        "@hookimpl\ndef tunebook_event(run, event):\n    pass\n"
    )
    told = json.loads(call("describe", "--plugin", str(file), "--json").stdout)
    (watcher,) = [each for each in told["plugins"] if each["name"] == "watcher"]
    assert (watcher["kind"], watcher["available"]) == ("observer", True)
    assert "schema" not in watcher


def test_describe_is_the_whole_surface(call: Callable[..., Any]) -> None:
    told = json.loads(call("describe", "--json").stdout)
    assert {each["name"] for each in told["commands"]} == {*CALLS}
    (run,) = [each for each in told["commands"] if each["name"] == "run"]
    options = {flag: each for each in run["options"] for flag in each["flags"]}
    assert {"--detach", "--plan", "--dry-run", "--timeout", "-p"} <= options.keys()
    assert options["--kernel"]["choices"] == ["auto", "warm", "cold"]
    assert options["--processes"] | {"min": 1, "max": 1024} == options["--processes"]
    assert run["exit_codes"] == [0, 2, 3, 4, 5, 6]
    assert run["arguments"] == [{"name": "CASE", "required": True, "many": False, "default": None}]
    listing = json.loads(call("plugins", "--json").stdout)["plugins"]
    named = {(each["kind"], each["name"]) for each in listing}
    cases = {("case", each["name"]) for each in told["cases"]}
    assert {(each["kind"], each["name"]) for each in told["plugins"]} | cases == named
    assert len(named) > 30
    (lora,) = [each for each in told["plugins"] if each["name"] == "lora"]
    rank = lora["schema"]["properties"]["r"]
    assert {"default", "minimum", "description"} <= rank.keys()
    (medical,) = [each for each in told["cases"] if each["name"] == "medical_coding"]
    assert {"default", "smoke"} <= medical["presets"].keys()
    assert len(told["controls"]) == 9
    assert told["controls"]["stop"]["destructive"]
    assert {*told["exit_codes"]} == {*"01234567"}
    assert {*told["error_shape"]["problems"][0]} == {"code", "where", "expected", "found", "fix"}
    assert told["versions"]["tunebook"]


def test_a_broken_plugin_is_in_the_surface_with_its_reason(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "noisy.py").write_text("raise RuntimeError('surprise')\n")
    told = json.loads(call("describe", "--json", "--plugin", "noisy.py").stdout)
    (broken,) = [each for each in told["plugins"] if each["kind"] == "broken"]
    assert not broken["available"]
    assert "surprise" in broken["why_not"]


def test_what_is_said_next_can_be_typed(call: Callable[..., Any]) -> None:
    for name in ("status last", "plan tiny.json", "stop last"):
        told = json.loads(call(*name.split(), "--json").stdout)
        assert told["next"]
        for line in told["next"]:
            import shlex

            program, command, *rest = shlex.split(line)
            assert program == "tunebook"
            context = click.Context(application)
            found = application.get_command(context, command)
            assert found is not None
            found.make_context(command, rest, parent=context, resilient_parsing=False)
