"""`tunebook check`: the kit on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tunebook.cli.application import application

TEMPLATE = Path(__file__).parents[2] / "templates" / "my_strategy.py"
WORDY = """
from typing import Literal
from tunebook import PluginConfig, hookimpl
from tunebook.specs import AugmenterPlugin

class WordyConfig(PluginConfig):
    kind: Literal["wordy"] = "wordy"

class Wordy:
    def __init__(self, config):
        self.config = config
    def augment(self, text, context):
        return text + "!"

@hookimpl
def tunebook_augmenters():
    yield AugmenterPlugin("wordy", "One line.\\nAnd another.", WordyConfig, f"{__name__}:Wordy")
"""


def check(*arguments: object) -> Result:
    return CliRunner().invoke(application, ["check", *map(str, arguments)])


def answer(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout)


@pytest.fixture
def wordy(tmp_path: Path) -> Path:
    file = tmp_path / "wordy.py"
    file.write_text(WORDY)
    return file


def test_a_plugin_that_passes() -> None:
    result = check("accuracy", "--quick")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["plugin", "check", "outcome", "seconds", "why"]
    assert lines[1].startswith("metric:accuracy  any/")
    assert lines[-1].startswith("20 passed in ")


def test_json_holds_every_check(wordy: Path) -> None:
    result = check("wordy", "--plugin", wordy, "--quick", "--json")
    content = answer(result)
    assert result.exit_code == 2
    assert (content["passed"], content["failed"], content["skipped"]) == (16, 1, 0)
    assert len(content["checks"]) == 17
    (failed,) = [row for row in content["checks"] if row["outcome"] == "failed"]
    assert failed["plugin"] == "augmenter:wordy"
    assert failed["check"] == "any/summary-is-one-line"
    assert failed["fix"] == "say in one line what it does"
    (problem,) = content["error"]["problems"]
    assert problem["code"] == "check.failed"
    assert problem["where"] == "augmenter:wordy: any/summary-is-one-line"
    assert problem["expected"] == failed["promise"]


def test_a_failure_is_told_below_the_table(wordy: Path) -> None:
    result = check("wordy", "--plugin", wordy, "--quick")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "1 failed" in result.stderr
    assert "what to do  say in one line what it does" in result.stderr


def test_a_file_is_a_name_too(wordy: Path) -> None:
    content = answer(check(wordy, "--quick", "--json"))
    assert {row["plugin"] for row in content["checks"]} == {"augmenter:wordy"}


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    result = check("csv", "--quick", "--json")
    assert result.exit_code == 2
    skipped = [row for row in answer(result)["checks"] if row["outcome"] == "skipped"]
    assert skipped
    assert all("-p path=…" in row["found"] for row in skipped)
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    result = check("csv", "--quick", "-p", f"path={tmp_path / 'rows.csv'}")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["accurcy"], "did you mean `accuracy`?"),
        (["f1", "--kind", "metrics"], "did you mean `metric`?"),
        (["csv", "-p", "pth=x"], "did you mean `path`?"),
    ],
)
def test_a_wrong_call_says_what_was_meant(arguments: list[str], fix: str) -> None:
    result = check(*arguments, "--json")
    assert result.exit_code == 2
    assert [problem["fix"] for problem in answer(result)["error"]["problems"]] == [fix]


@pytest.mark.slow
def test_the_template_passes_all_checks_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tunebook.cli", "check", str(TEMPLATE), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    content = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert content["passed"] == len(content["checks"]) == 28


def test_the_kit_imports_nothing_heavy() -> None:
    code = "import sys, tunebook.testing; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "numpy", "pandas", "sklearn", "pytest", "peft", "adapters"}
    assert "tunebook" in done.stdout
    assert not [name for name in heavy if f"'{name}'" in done.stdout]
