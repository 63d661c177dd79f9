"""What is shipped: all that a wheel needs to run a case, and nothing that was left lying about."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [notebook.stem for notebook in (ROOT / "notebooks").glob("*.ipynb")]
TEMPLATES = [
    path
    for path in (ROOT / "templates").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]
CASES = [case.stem for case in (ROOT / "plugins/tunebook_plugins/cases").glob("*.yaml")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_wheel_holds_cases_notebooks_and_templates(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    data = next(name.split("/")[0] for name in names if ".data/" in name)
    assert {
        "tunebook/py.typed",
        "tunebook/.agents/skills/tunebook/SKILL.md",
        "tunebook/evaluation/templates/report.html.j2",
        *(f"tunebook_plugins/cases/{name}.yaml" for name in CASES),
        *(f"{data}/data/share/tunebook/notebooks/{name}.ipynb" for name in NOTEBOOKS),
        *(f"{data}/data/share/tunebook/{file.relative_to(ROOT)}" for file in TEMPLATES),
    } <= names
    assert (len(CASES), len(NOTEBOOKS)) == (6, 9)
    assert len(TEMPLATES) > 50
    stray = ("tests/", "test_", "conftest", "__pycache__")
    ours = [name for name in names if "/share/tunebook/templates/" not in name]  # these have tests
    assert not [name for name in ours if any(word in name for word in stray)]


def test_every_entry_point_leads_to_a_module() -> None:
    entries = PROJECT["project"]["entry-points"]["tunebook"]
    assert len(entries) == 32
    assert all(importlib.util.find_spec(module) for module in entries.values())


def test_versions_agree() -> None:
    import tunebook

    assert tunebook.__version__ == PROJECT["project"]["version"]
    assert f"## {tunebook.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_public_names_are_importable() -> None:
    import tunebook

    assert len(tunebook.__all__) == 25
    assert all(getattr(tunebook, name) for name in tunebook.__all__)
    assert set(tunebook.__all__) <= set(dir(tunebook))


def test_agents_md_is_short_and_its_files_exist() -> None:
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    named = re.findall(r"`(tests/[\w/]+\.py|plugins/\w+|toolkit/\w+)`", text)
    assert len(named) >= 3
    assert all((ROOT / name).exists() for name in named)


def test_nothing_of_a_machine_is_committed() -> None:
    """No paths of this machine, and no hosts of registries, in what git tracks."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = [
        ROOT / name
        for name in listed.stdout.splitlines()
        if (ROOT / name).is_file() and not name.endswith(".png")
    ]
    assert len(texts) > 100
    hosts = ["pypi" + ".org", "/work" + "/main", "file:" + "//"]
    found = [p.name for p in texts for h in hosts if h in p.read_text(encoding="utf-8")]
    assert found == []
