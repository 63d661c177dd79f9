"""What the templates come to: sound files, whatever the answers, and one list of questions."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunebook import __version__
from tunebook.cases import NOTEBOOK_FOLDER, load_case, read_case_file, resolve_case
from tunebook.cli.new import new_command
from tunebook.data.loading import load_dataset
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.notebooks import lint_notebook
from tunebook.scaffolds import Template, template_folder, write_whole
from tunebook.specs import KINDS, TASKS

PLUGIN, CASE = (Template(template_folder(name)) for name in ("plugin", "case"))
QUESTIONS = {
    (name, question.name): question
    for name, template in (("plugin", PLUGIN), ("case", CASE))
    for question in template.questions
}
PLUGIN_KINDS = [*QUESTIONS["plugin", "kind"].choices]
CASE_TASKS = [*QUESTIONS["case", "task"].choices]
ODD = "Größe {{ 7 * 7 }} {% raw %} 数据，'x' & <y> #1"
"""A line that every file must take as it is."""


def project(kind: str, name: str = "mine", **given: str) -> dict[str, str]:
    return PLUGIN.render(PLUGIN.answers({"name": name, "kind": kind, **given}))


def case(task: str, name: str = "mine", **given: str) -> dict[str, str]:
    return CASE.render(CASE.answers({"name": name, "task": task, **given}))


def kind_of(task: str) -> str:
    return CASE.answers({"name": "mine", "task": task})["task_kind"]


# questions


def test_the_kinds_and_tasks_are_those_that_there_are() -> None:
    words = {"augmentation": "augmenter"}
    assert {words.get(kind, kind) for kind in PLUGIN_KINDS} == {*KINDS} - {"case", "observer"}
    assert len(PLUGIN_KINDS) == 6
    assert {kind_of(task) for task in CASE_TASKS} == {*TASKS}
    assert len(CASE_TASKS) == 3


@pytest.mark.parametrize("name", ["plugin", "case"])
def test_the_command_asks_what_the_template_asks(name: str) -> None:
    own = {"into", "dry_run"}
    shared = {parameter.name for parameter in new_command.params}
    options = {parameter.name for parameter in new_command.commands[name].params} - own - shared
    asked = {key for (template, key), q in QUESTIONS.items() if template == name and q.asked}
    assert options == asked
    assert len(asked) == 3


def test_help_names_the_choices() -> None:
    for name, key in (("plugin", "kind"), ("case", "task")):
        (option,) = [p for p in new_command.commands[name].params if p.name == key]
        words = {word.strip(",.") for word in str(option.help).split()}  # type: ignore[attr-defined]
        assert words - {"or"} == {*QUESTIONS[name, key].choices}


def test_every_question_has_words() -> None:
    assert len(QUESTIONS) == 10
    assert all(question.help for question in QUESTIONS.values() if question.asked)


@pytest.mark.parametrize("name", ["plugin", "case"])
def test_copier_can_read_the_settings(name: str) -> None:
    content = yaml.safe_load((template_folder(name) / "copier.yml").read_text())
    settings = {key for key in content if key.startswith("_")}
    assert settings == {"_min_copier_version", "_subdirectory", "_message_after_copy"}
    for key, section in content.items():
        if key not in settings:
            assert section["type"] == "str"
            assert {*section} <= {"type", "help", "choices", "default", "validator", "when"}
    files = [path for path in template_folder(name).rglob("*") if path.is_file()]
    assert len(files) >= 6
    assert all(path.suffix == ".jinja" for path in files if path.name != "copier.yml")


# projects of plugins


@pytest.mark.parametrize("kind", PLUGIN_KINDS)
@pytest.mark.parametrize(
    "answers",
    [{}, {"name": "q"}, {"name": "a_name_of_thirty_letters_or_so"}, {"summary": ODD}],
    ids=["usual", "short", "long", "odd"],
)
def test_every_file_is_what_its_name_says(kind: str, answers: Mapping[str, str]) -> None:
    files = project(kind, **answers)
    name = answers.get("name", "mine")
    content = tomllib.loads(files["pyproject.toml"])
    assert content["project"]["entry-points"]["tunebook"] == {name: f"{name}.plugin"}
    assert content["project"]["description"] == answers.get(
        "summary", content["project"]["description"]
    )
    modules = [ast.parse(text, path) for path, text in files.items() if path.endswith(".py")]
    assert len(modules) == 5
    assert all(ast.get_docstring(module) for module in modules)
    assert f'"""{content["project"]["description"]}"""' in files[f"src/{name}/impl.py"]
    workflow = yaml.safe_load(files[".github/workflows/test.yml"])
    assert workflow["jobs"]["test"]["steps"][1]["with"]["python-version"] == "${{ matrix.python }}"
    remembered = yaml.safe_load(files[".copier-answers.yml"])
    assert remembered == {"name": name, "kind": kind, "summary": content["project"]["description"]}
    assert not [path for path, text in files.items() if text and not text.endswith("\n")]
    assert "49" not in files["README.md"]


def test_only_a_data_source_has_example_files() -> None:
    with_examples = [k for k in PLUGIN_KINDS if any("examples/" in path for path in project(k))]
    assert with_examples == ["datasource"]


@pytest.mark.parametrize("kind", PLUGIN_KINDS)
@pytest.mark.parametrize("name", ["q", "mine", "a_name_of_thirty_letters_or_so"])
def test_ruff_finds_nothing(kind: str, name: str, tmp_path: Path) -> None:
    """With the project's own settings; how lines break must not hang on the length of a name."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff comes with the extra `dev`")
    write_whole(tmp_path / "project", project(kind, name, summary=ODD if name == "mine" else "x"))
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [ruff, *command, "--no-cache", "."],
            cwd=tmp_path / "project",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_wants_this_version_of_tunebook() -> None:
    content = tomllib.loads(project("metric")["pyproject.toml"])
    major_minor = ".".join(__version__.split(".")[:2])
    assert content["project"]["dependencies"] == [f"tunebook>={major_minor}"]


def test_nothing_depends_on_the_day_or_the_place() -> None:
    assert project("model") == project("model")
    text = "".join(project("model").values()) + "".join(case("regression").values())
    assert str(Path.home()) not in text
    assert str(template_folder("plugin")) not in text


# cases


@pytest.mark.parametrize("task", CASE_TASKS)
def test_a_case_is_valid_and_its_notebook_passes_the_linter(task: str, tmp_path: Path) -> None:
    write_whole(tmp_path / "mine", case(task, title=ODD))
    file = read_case_file(tmp_path / "mine" / "mine.yaml")
    assert file.notebook is not None
    assert lint_notebook(file.notebook) == []
    host = PluginHost()
    for parameters in ({}, {"preset": "smoke"}, {"strategy": "lora"}, {"strategy": "freeze"}):
        resolved = resolve_case(host, str(file.path), parameters)
        assert resolved.task.kind == kind_of(task)
        assert resolved.title == ODD
    assert {*file.presets} == {"smoke"}


@pytest.mark.parametrize("task", CASE_TASKS)
def test_the_example_rows_can_be_learnt_from(task: str, tmp_path: Path) -> None:
    write_whole(tmp_path / "mine", case(task))
    host = PluginHost()
    data = load_dataset(resolve_case(host, str(tmp_path / "mine" / "mine.yaml"), {}), host)
    counts: Any = data.provenance["splits"]
    assert sum(counts.values()) == 54
    assert min(counts.values()) >= 6
    assert data.provenance["dropped"] == {}


def test_a_notebook_finds_its_case_wherever_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "mine", case("regression", title="beside the notebook"))
    write_whole(tmp_path / "here", case("regression", title="where it was typed"))
    write_whole(tmp_path / "else", {"README.md": ""})
    monkeypatch.chdir(tmp_path / "else")
    with pytest.raises(ConfigError, match="unreadable"):
        load_case("mine.yaml")
    monkeypatch.setenv(NOTEBOOK_FOLDER, str(tmp_path / "mine"))
    assert load_case("mine.yaml").title == "beside the notebook"
    monkeypatch.chdir(tmp_path / "here")
    assert load_case("mine.yaml").title == "where it was typed"


def test_a_notebook_is_as_jupyter_would_save_it() -> None:
    for task in CASE_TASKS:
        text = case(task, title=ODD)["mine.ipynb"]
        again = json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
        assert json.loads(again) == json.loads(text)
        plain = case(task)["mine.ipynb"]
        assert json.dumps(json.loads(plain), indent=1, ensure_ascii=False) + "\n" == plain
