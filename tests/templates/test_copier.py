"""copier makes the same of the templates, and brings a later template into a project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tunebook.scaffolds import Template, template_folder, write_whole

copier = pytest.importorskip("copier", reason="not a dependency: pip install copier")
ANSWERS = ".copier-answers.yml"
ODD = {"summary": "Größe, 数据 & <y> 'x' #1"}


def files_of(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


@pytest.mark.parametrize(
    ("name", "key", "choice"),
    [
        ("plugin", "kind", choice)
        for choice in ("strategy", "metric", "augmentation", "datasource", "model", "executor")
    ]
    + [("case", "task", choice) for choice in ("single_label", "multi_label", "regression")],
)
@pytest.mark.parametrize("odd", [False, True])
def test_the_files_are_the_same(
    name: str, key: str, choice: str, odd: bool, tmp_path: Path
) -> None:
    template = Template(template_folder(name))
    given = {"name": "mine", key: choice} | (
        {} if not odd else {("summary" if name == "plugin" else "title"): ODD["summary"]}
    )
    ours = template.render(template.answers(given))
    copier.run_copy(str(template.folder), tmp_path / "made", data=given, defaults=True, quiet=True)
    theirs = files_of(tmp_path / "made")
    remembered = yaml.safe_load(theirs.pop(ANSWERS))
    assert {k: v for k, v in remembered.items() if not k.startswith("_")} == yaml.safe_load(
        ours.pop(ANSWERS)
    )
    assert theirs == ours


@pytest.mark.parametrize("name", ["Top", "top__layers", "x" * 31, "2nd"])
def test_a_bad_name_is_refused_alike(name: str, tmp_path: Path) -> None:
    template = Template(template_folder("plugin"))
    assert template.objection("name", name)
    data = {"name": name, "kind": "metric"}
    with pytest.raises(ValueError, match="small letters"):
        copier.run_copy(str(template.folder), tmp_path / "made", data=data, quiet=True)


def test_a_later_template_comes_into_a_project_that_was_changed(tmp_path: Path) -> None:
    """As README.md tells: what only the template has changed comes, and own work stays."""
    template = Template(template_folder("plugin"))
    files = template.render(template.answers({"name": "mine", "kind": "metric"}))
    write_whole(tmp_path / "mine", files)
    later = tmp_path / "later"
    subprocess.run(["cp", "-r", str(template.folder), str(later)], check=True)
    with (later / "project" / "CHANGELOG.md.jinja").open("a") as file:
        file.write("- Of a later template.\n")
    copier.run_copy(
        str(later),
        tmp_path / "mine",
        data=yaml.safe_load(files[ANSWERS]),
        defaults=True,
        overwrite=True,
        quiet=True,
    )
    now = files_of(tmp_path / "mine")
    assert now["CHANGELOG.md"] == files["CHANGELOG.md"] + "- Of a later template.\n"
    assert {n for n in files if n != ANSWERS and now[n] != files[n]} == {"CHANGELOG.md"}


def test_a_template_in_git_updates_a_project_by_three_ways(tmp_path: Path) -> None:
    """With the template in a repository of its own, copier merges what both sides have changed."""
    template, project = tmp_path / "template", tmp_path / "mine"
    subprocess.run(["cp", "-r", str(template_folder("plugin")), str(template)], check=True)
    commit(template, "v1")
    data = {"name": "mine", "kind": "metric"}
    copier.run_copy(str(template), project, data=data, defaults=True, vcs_ref="v1", quiet=True)
    own = project / "src" / "mine" / "impl.py"
    own.write_text(own.read_text() + "\n# my own line\n")
    commit(project, "v1")
    with (template / "project" / "CHANGELOG.md.jinja").open("a") as file:
        file.write("- Of a later template.\n")
    commit(template, "v2")
    copier.run_update(project, defaults=True, overwrite=True, vcs_ref="v2", quiet=True)
    now = files_of(project)
    assert now["CHANGELOG.md"].endswith("- Of a later template.\n")
    assert now["src/mine/impl.py"].endswith("# my own line\n")


def commit(folder: Path, tag: str) -> None:
    """Commits all that is in a folder, with a tag."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        [*who, "commit", "-q", "-m", tag],
        ["tag", tag],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
