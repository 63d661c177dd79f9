"""What every command shares: exit codes, one shape of error, a clean standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunebook.cli.application import COMMANDS, application
from tunebook.cli.summaries import SUMMARIES
from tunebook.errors import ExitCode

Invoke = Callable[..., Any]

BROKEN_PLUGIN = """
from tunebook import hookimpl

print("noise on import")

@hookimpl
def tunebook_strategies():
    raise RuntimeError("surprise")
"""


def test_every_command_is_there_and_has_help(invoke: Invoke) -> None:
    assert len(COMMANDS) == 32
    listing = invoke("--help").stdout
    for name in COMMANDS:
        assert f"  {name} " in listing
        result = invoke(name, "--help")
        assert result.exit_code == 0
        for option in ("--json", "--debug", "--plugin", "--runs-dir"):
            assert option in result.stdout


def test_the_list_of_commands_loads_none_of_them() -> None:
    assert [*SUMMARIES] == [*COMMANDS]
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules)); "
    code += "from tunebook.cli import main; main(['--help'])"
    listing = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {*listing.stdout.splitlines()[-1].split()}
    assert "tunebook.cli.application" in loaded
    assert loaded & {*COMMANDS.values()} == set()
    assert all(f"  {summary}" in listing.stdout for summary in SUMMARIES.values())


def test_version(invoke: Invoke) -> None:
    from tunebook import __version__

    assert __version__ in invoke("--version").stdout


def test_without_a_command_help_is_shown_and_the_call_fails(invoke: Invoke) -> None:
    result = invoke()
    assert result.exit_code == ExitCode.CONFIG
    assert "Commands:" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "fix"),
    [
        (["plugns"], "usage.unknown_command", "did you mean `plugins`?"),
        (["qqqq"], "usage.unknown_command", "use one of"),
        (["plugins", "--jsn"], "usage.unknown_option", "did you mean `--json`?"),
        (["run", "x", "--time-out", "3"], "usage.unknown_option", "did you mean `--timeout`?"),
        (["--plugn", "x", "runs"], "usage.unknown_option", "did you mean `--plugin`?"),
        (["show"], "usage.invalid", "see `tunebook show --help`"),
        (["runs", "too", "many"], "usage.invalid", "see `tunebook runs --help`"),
        (["run", "x", "--timeout", "soon"], "usage.invalid", "see `tunebook run --help`"),
        (["run", "x", "--timeout", "-1"], "usage.invalid", "see `tunebook run --help`"),
        (["run", "x", "--timeout", "0"], "usage.invalid", "see `tunebook run --help`"),
    ],
)
def test_a_usage_error_has_the_one_shape(
    invoke: Invoke, arguments: list[str], code: str, fix: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == ExitCode.CONFIG
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {code}\n")
    assert fix in result.stderr
    assert "Traceback" not in result.stderr


def test_with_json_an_error_is_on_standard_output_too(invoke: Invoke) -> None:
    result = invoke("describe", "lroa", "--json")
    content = json.loads(result.stdout)
    assert content["schema_version"] == 1
    assert content["error"]["exit_code"] == result.exit_code == 2
    (problem,) = content["error"]["problems"]
    assert set(problem) == {"code", "where", "expected", "found", "fix"}
    assert problem["fix"] == "did you mean `lora`?"
    assert "did you mean `lora`?" in result.stderr


def test_json_may_stand_before_the_command(invoke: Invoke) -> None:
    assert json.loads(invoke("--json", "runs").stdout)["runs"] == []


def test_an_unforeseen_error_has_the_shape_and_a_traceback_only_with_debug(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("how odd")

    monkeypatch.setattr("tunebook.records.iter_records", fail)
    quiet, loud = invoke("runs", "--json"), invoke("runs", "--json", "--debug")
    assert quiet.exit_code == loud.exit_code == 1
    assert json.loads(quiet.stdout)["error"]["problems"][0]["code"] == "internal.unexpected"
    assert "how odd" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (KeyboardInterrupt(), ExitCode.STOPPED),
        (PermissionError(13, "Permission denied", "/root/x"), ExitCode.ENVIRONMENT),
        (OSError(28, "No space left on device", "/full"), ExitCode.ENVIRONMENT),
    ],
)
def test_interrupts_and_the_system_have_exit_codes_of_their_own(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, error: BaseException, exit_code: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("tunebook.records.iter_records", fail)
    assert invoke("runs").exit_code == exit_code


def test_runs_dir_that_is_a_file(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (["runs"], ["show", "x"], ["predict", "x", "text"]):
        result = invoke(*command, "--runs-dir", "file")
        assert result.exit_code == ExitCode.CONFIG
        assert "runs_dir.not_a_folder" in result.stderr


def test_runs_dir_comes_from_the_option_then_the_environment(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEBOOK_RUNS_DIR", str(tmp_path / "from-environment"))
    assert "from-environment" in invoke("runs").stderr
    assert "from-option" in invoke("runs", "--runs-dir", "from-option").stderr


def test_a_plugin_file_is_loaded_and_a_missing_one_is_an_error_or_a_warning(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN_PLUGIN)
    result = invoke("plugins", "--json", "--plugin", "broken.py")
    (broken,) = [p for p in json.loads(result.stdout)["plugins"] if p["kind"] == "broken"]
    assert broken["name"] == "broken"
    assert "surprise" in broken["why_not"]
    assert "noise on import" in result.stderr
    assert "warning: plugin `broken` was left out" in result.stderr


def test_a_broken_plugin_is_an_error_when_asked_for(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEBOOK_STRICT_PLUGINS", "1")
    (tmp_path / "broken.py").write_text(BROKEN_PLUGIN)
    result = invoke("plugins", "--plugin", "broken.py")
    assert result.exit_code == ExitCode.CONFIG
    assert "surprise" in result.stderr


def test_exit_codes_and_streams_of_the_real_command(tunebook: Callable[..., Any]) -> None:
    wrong = tunebook("validate", "medical_coding", "-p", "stratgy=lora", "--json")
    assert wrong.returncode == 2
    (problem,) = json.loads(wrong.stdout)["error"]["problems"]
    assert problem["fix"] == "did you mean `strategy`?"
    assert "Traceback" not in wrong.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'from tunebook.cli import main; main()' schema | head -c 1"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "{")
    assert "BrokenPipe" not in result.stderr


def test_the_application_is_the_only_global() -> None:
    assert application.name == "tunebook"
