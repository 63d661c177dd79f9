"""The example plugins, as strangers' projects: installed, their own tests run, checked by name."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import tomllib
import venv
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "templates/examples").glob("*/pyproject.toml"))
CHECKED = {
    "abbreviations": ("augmenter:abbreviations", 17),
    "averaged_adapters": ("strategy:averaged_adapters", 20),
    "cosine_head": ("strategy:cosine_head", 20),
    "krippendorff_alpha": ("metric:krippendorff_alpha", 20),
    "mbox_threads": ("datasource:mbox", 17),
    "mlflow_observer": ("observer:mlflow", 4),
    "tensorboard_observer": ("observer:tensorboard", 4),
    "vera": ("strategy:vera", 20),
}
"""By example, what is checked and how many quick checks it passes at least."""
SETTINGS = {
    "mbox_threads": ["-p", f"path={ROOT / 'templates/examples/mbox_threads' / 'tests/mails.mbox'}"]
}
BAD = ("failure", "error")
CALLS = """
import contextlib, io, json, sys
from tunebook.cli.application import application
for arguments in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            application.main(arguments)
        except SystemExit as end:
            code = end.code
    print(json.dumps(json.loads(said.getvalue()) | {"exit_code": code}))
"""
"""Calls the command many times in a process that imports torch but once."""


def project(example: Path) -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((example / "pyproject.toml").read_text())
    return content["project"]


def test_the_examples_are_those_that_are_checked() -> None:
    assert [example.name for example in EXAMPLES] == sorted(CHECKED)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_a_whole_project(example: Path) -> None:
    about = project(example)
    ((entry, module),) = about["entry-points"]["tunebook"].items()
    package = example / module.partition(".")[0]
    assert (package / "plugin.py").is_file()
    assert (package / "impl.py").is_file()
    assert (example / "tests/test_plugin.py").is_file()
    readme = (example / "README.md").read_text()
    assert f"pip install {about['name']}" in readme or "tunebook check" in readme
    assert "tunebook>=0.1,<1" in about["dependencies"]
    assert "\napi = 1\n" in (package / "plugin.py").read_text()
    assert CHECKED[example.name][0].endswith(f":{entry}")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that sees this one's packages and has all examples installed."""
    place = tmp_path_factory.mktemp("venv")
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    here = sysconfig.get_path("purelib")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    there = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    (Path(there.stdout.strip()) / "seen.pth").write_text(f"{here}\n")
    for example in EXAMPLES:
        own = [each for each in project(example)["dependencies"] if missing(python, each)]
        done = pip(python, *own) if own else None
        if done and done.returncode:
            (place / f"{example.name}.txt").write_text(done.stderr)
    done = pip(python, "--no-deps", "--no-build-isolation", *map(str, EXAMPLES))
    assert done.returncode == 0, done.stderr
    return python


def pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def missing(python: Path, requirement: str) -> bool:
    """Whether an environment lacks a distribution; tunebook is the one that is tested."""
    name = requirement.partition(">")[0]
    code = f"import importlib.metadata as m; m.version({name!r})"
    command = [python, "-c", code]
    return name != "tunebook" and bool(subprocess.run(command, capture_output=True).returncode)


@pytest.fixture(scope="session")
def own_tests(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """By example, how its own tests went; all in one process, which imports torch but once."""
    place = tmp_path_factory.mktemp("tests")
    folders = [each / "tests" for each in EXAMPLES if not lacking(installed, each)]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "ignore"]
    command = [installed, "-m", "pytest", *options, f"--junitxml={place / 'junit.xml'}", *folders]
    run_in(place, [*command, f"--rootdir={ROOT / 'templates/examples'}"])
    counts: dict[str, Counter[str]] = {each.name: Counter() for each in EXAMPLES}
    for case in ElementTree.parse(place / "junit.xml").iter("testcase"):
        (name,) = {each.name for each in EXAMPLES} & {*case.attrib["classname"].split(".")}
        bad = [f"{case.attrib['name']}: {each.get('message')}" for each in case if each.tag in BAD]
        counts[name][bad[0] if bad else "passed"] += 1
    return counts


@pytest.fixture(scope="session")
def checks(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By example, what `tunebook check NAME --quick --json` answers, one after the other."""
    names = [each.name for each in EXAMPLES if not lacking(installed, each)]
    calls = [["check", CHECKED[n][0], "--quick", "--json", *SETTINGS.get(n, [])] for n in names]
    done = run_in(tmp_path_factory.mktemp("checks"), [installed, "-c", CALLS, json.dumps(calls)])
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(zip(names, answers, strict=True))


def run_in(folder: Path, command: list[Any]) -> subprocess.CompletedProcess[str]:
    """Runs a command that imports the tunebook of this tree, as this process does."""
    paths = [str(ROOT / "toolkit"), str(ROOT / "plugins")]
    variables = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    variables |= {"TUNEBOOK_CACHE": str(folder / "cache"), "MLFLOW_ALLOW_FILE_STORE": "true"}
    variables |= {"MLFLOW_TRACKING_URI": (folder / "mlruns").as_uri()}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | variables, cwd=folder
    )


def lacking(python: Path, example: Path) -> str:
    """Returns why the packages of an example couldn't be installed; empty where they could."""
    told = python.parents[1] / f"{example.name}.txt"
    if example.name == "averaged_adapters" and missing(python, "adapters"):
        return "the adapters extra isn't installed"
    return told.read_text()[-300:] if told.is_file() else ""


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_passes_its_own_tests(
    example: Path, installed: Path, own_tests: dict[str, Counter[str]]
) -> None:
    reason = lacking(installed, example)
    if reason:
        pytest.skip(f"its packages cannot be installed here: {reason}")
    assert [*own_tests[example.name]] == ["passed"], own_tests[example.name]
    assert own_tests[example.name]["passed"] >= CHECKED[example.name][1] + 1


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_passes_the_check_by_its_name(
    example: Path, installed: Path, checks: dict[str, Any]
) -> None:
    reason = lacking(installed, example)
    if reason:
        pytest.skip(f"its packages cannot be installed here: {reason}")
    answer = checks[example.name]
    assert (answer["exit_code"], answer["failed"]) == (0, 0), answer
    assert answer["passed"] >= CHECKED[example.name][1]
