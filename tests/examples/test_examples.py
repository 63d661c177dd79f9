"""The example plugins, as strangers' projects: installed, their own tests run, checked by name."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "templates/examples").glob("*/pyproject.toml"))
CHECKED = {
    "abbreviations": ("augmenter:abbreviations", 18),
    "averaged_adapters": ("strategy:averaged_adapters", 20),
    "cosine_head": ("strategy:cosine_head", 20),
    "krippendorff_alpha": ("metric:krippendorff_alpha", 20),
    "mbox_threads": ("datasource:mbox", 17),
    "mlflow_observer": ("observer:mlflow", 4),
    "tensorboard_observer": ("observer:tensorboard", 4),
    "vera": ("strategy:vera", 20),
}
"""By example, what is checked and how many quick checks it passes at least."""
SETTINGS = {"mbox_threads": ["-p", "path=tests/mails.mbox"]}


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


def environment() -> dict[str, str]:
    """The variables of a process that imports the tunebook of this tree, as this one does."""
    paths = [str(ROOT / "toolkit"), str(ROOT / "plugins")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_passes_its_tests_and_the_check(
    example: Path, installed: Path, tmp_path: Path
) -> None:
    lacking = installed.parents[1] / f"{example.name}.txt"
    if lacking.is_file():
        pytest.skip(f"its packages cannot be installed here: {lacking.read_text()[-300:]}")
    if example.name == "averaged_adapters":
        pytest.importorskip("adapters")
    tests = [installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", example / "tests"]
    done = subprocess.run(
        [*tests, f"--rootdir={example}", "--import-mode=importlib", "-W", "ignore"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    name, least = CHECKED[example.name]
    check = [installed, "-m", "tunebook.cli", "check", name, "--quick", "--json"]
    done = subprocess.run(
        [*check, *SETTINGS.get(example.name, [])],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        cwd=example,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert json.loads(done.stdout)["passed"] >= least
