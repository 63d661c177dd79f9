"""`tunebook new`: what it makes, what it refuses, and that it never does half of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tunebook.cli.application import application
from tunebook.errors import ConfigError, MachineError
from tunebook.scaffolds import template_names, writing
from tunebook.scaffolds.writing import write_whole

PLUGIN = ("new", "plugin", "top_layers", "--kind", "strategy")
CASE = ("new", "case", "tickets", "--task", "single_label")
Content = dict[str, Any]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(application, [str(each) for each in arguments])


def answer(*arguments: object) -> Content:
    result = invoke("--json", *arguments)
    assert result.exit_code == 0, result.stderr
    content: Content = json.loads(result.stdout)
    return content


def problems(*arguments: object, exit_code: int = 2) -> list[dict[str, str]]:
    result = invoke("--json", *arguments)
    assert result.exit_code == exit_code, result.output
    found: list[dict[str, str]] = json.loads(result.stdout)["error"]["problems"]
    assert all(problem["fix"] for problem in found)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# what it says


def test_a_plugin_is_made_and_its_next_commands_are_told(tmp_path: Path) -> None:
    content = answer(*PLUGIN)
    folder = tmp_path / "top-layers"
    assert content["status"] == "made"
    assert content["path"] == str(folder)
    assert sorted(content["files"]) == sorted(contents(folder))
    assert {"pyproject.toml", "src/top_layers/plugin.py", ".github/workflows/test.yml"} <= {
        *content["files"]
    }
    assert content["next"] == [
        "cd top-layers",
        'pip install -e ".[test]"',
        "tunebook check top_layers",
        "pytest",
    ]
    assert "Trains the top blocks" in (folder / "README.md").read_text()


def test_a_case_is_made_and_its_next_commands_are_told(tmp_path: Path) -> None:
    content = answer(*CASE, "--title", "Whose desk?")
    assert {".csv", ".ipynb", ".yaml", ".yml"} == {Path(name).suffix for name in content["files"]}
    assert content["next"][:2] == ["cd tickets", "tunebook run tickets.yaml -p preset=smoke"]
    assert "Whose desk?" in (tmp_path / "tickets" / "tickets.ipynb").read_text()


def test_the_folder_is_made_where_it_is_wanted(tmp_path: Path) -> None:
    content = answer(*CASE, "--into", "my cases")
    assert content["path"] == str(tmp_path / "my cases" / "tickets")
    assert content["next"][0] == "cd 'my cases/tickets'"


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    planned = answer(*PLUGIN, "--into", "deep/down", "--dry-run")
    assert planned["status"] == "planned"
    assert [*tmp_path.iterdir()] == []
    assert answer(*PLUGIN, "--into", "deep/down") == {**planned, "status": "made"}


def test_help_teaches() -> None:
    text = invoke("new", "--help").stdout
    assert "tunebook new plugin top_layers --kind strategy" in text
    assert "tunebook new case tickets --task single_label" in text
    for name in ("plugin", "case", "where"):
        assert invoke("new", name, "--help").exit_code == 0
    assert "augmentation, datasource" in " ".join(invoke("new", "plugin", "--help").stdout.split())


def test_where_the_templates_lie() -> None:
    places = answer("new", "where")["templates"]
    assert [*places] == template_names() == ["case", "plugin"]
    said = invoke("new", "where", "plugin").stdout.strip()
    assert (Path(said) / "copier.yml").is_file()
    (problem,) = problems("new", "where", "plugn", exit_code=6)
    assert problem["fix"] == "did you mean `plugin`?"


# the same again


@pytest.mark.parametrize("call", [PLUGIN, CASE], ids=["plugin", "case"])
def test_the_same_call_again_finds_it_there(call: tuple[str, ...], tmp_path: Path) -> None:
    first = answer(*call)
    (Path(first["path"]) / "notes.txt").write_text("of my own")  # is no business of the template
    before = contents(tmp_path)
    for options in ((), ("--dry-run",)):
        again = answer(*call, *options)
        assert again == {**first, "status": "unchanged"}
    assert contents(tmp_path) == before


def test_what_was_changed_is_named_and_left_alone(tmp_path: Path) -> None:
    answer(*PLUGIN)
    folder = tmp_path / "top-layers"
    (folder / "README.md").write_text("mine")
    (folder / "LICENSE").unlink()
    before = contents(folder)
    for options in ((), ("--dry-run",)):
        (problem,) = problems(*PLUGIN, *options)
        assert problem["code"] == "template.occupied"
        assert problem["found"] == "changed: README.md; missing: LICENSE"
        assert "--into" in problem["fix"]
    assert contents(folder) == before


def test_another_answer_is_another_project() -> None:
    answer(*PLUGIN)
    (problem,) = problems("new", "plugin", "top_layers", "--kind", "metric")
    assert problem["code"] == "template.occupied"
    assert "src/top_layers/impl.py" in problem["found"]


def test_an_empty_folder_is_no_obstacle_and_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "top-layers").mkdir()
    assert answer(*PLUGIN)["status"] == "made"
    (tmp_path / "tickets").write_text("mine")
    (problem,) = problems(*CASE)
    assert problem["found"] == "a file"
    assert (tmp_path / "tickets").read_text() == "mine"
    assert "usage.invalid" in invoke(*CASE, "--into", "tickets").stderr


# whole or not at all


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def full(self: Path, content: bytes) -> int:
        written.append(self)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return original(self, content)

    original: Callable[[Path, bytes], int] = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(MachineError, match="No space left"):
        write_whole(tmp_path / "project", dict.fromkeys("abcd", "text"))
    assert len(written) == 3
    assert [*tmp_path.iterdir()] == []


def test_two_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have found an empty place, and both have all files ready, when the first moves in."""
    both = threading.Barrier(2)

    def replace(self: Path, target: Path) -> Path:
        both.wait(10)
        return original(self, target)

    original = Path.replace
    monkeypatch.setattr(writing.Path, "replace", replace)
    states: list[str] = []

    def make() -> None:
        states.append(write_whole(tmp_path / "project", {"a/b": "text"}))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["new", "there"]
    assert contents(tmp_path) == {"project/a/b": b"text"}
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_somebody_elses_files_that_come_meanwhile_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(self: Path, target: Path) -> Path:
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / "mine").write_text("mine")
        return original(self, target)

    original = Path.replace
    monkeypatch.setattr(writing.Path, "replace", replace)
    with pytest.raises(ConfigError, match="missing: a"):
        write_whole(tmp_path / "project", {"a": "text"})
    assert contents(tmp_path) == {"project/mine": b"mine"}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody writes to")
def test_a_place_that_cannot_be_written_to() -> None:
    (problem,) = problems(*CASE, "--into", "/proc", exit_code=6)
    assert problem["code"] == "environment.not_writable"


def test_a_dry_run_sees_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for options in ((), ("--dry-run",)):
        (problem,) = problems(*CASE, "--into", "file/below", *options, exit_code=6)
        assert problem["found"] == "Not a directory"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# names and answers


@pytest.mark.parametrize(
    ("name", "code", "fix"),
    [
        ("Top-Layers", "name.form", "write `top_layers`"),
        ("top__layers", "name.form", "write `top_layers`"),
        ("_top", "name.form", "write `top`"),
        ("my layers!", "name.form", "write `my_layers`"),
        ("Größe", "name.form", "write `grosse`"),
        ("Class", "name.form", "use at most 30 small letters"),
        ("2nd", "name.form", "use at most 30 small letters"),
        ("数据", "name.form", "use at most 30 small letters"),
        ("", "name.form", "use at most 30 small letters"),
        ("../up", "name.form", "write `up`"),
        ("x" * 31, "name.form", "use at most 30 small letters"),
        ("x" * 100_000, "name.form", "use at most 30 small letters"),
        ("class", "name.keyword", "write such as `my_class`"),
        ("json", "name.standard_library", "write such as `my_json`"),
        ("test", "name.installed", "write such as `my_test`"),
        ("lora", "name.plugin", "write such as `my_lora`"),
        ("medical_coding", "name.plugin", "write such as `my_medical_coding`"),
        ("local_executor", "name.installed", "write such as `my_local_executor`"),
        ("tunebook", "name.installed", "write such as `my_tunebook`"),
        ("tunebook_plugins", "name.installed", "write such as `my_tunebook_plugins`"),
        ("scikit_learn", "name.installed", "write such as `my_scikit_learn`"),
        ("sklearn", "name.installed", "write such as `my_sklearn`"),
    ],
)
def test_a_name_that_cannot_be(name: str, code: str, fix: str, tmp_path: Path) -> None:
    (problem,) = problems("new", "plugin", "--kind", "metric", "--", name)
    assert (problem["code"], problem["where"]) == (code, "NAME")
    assert problem["fix"].startswith(fix)
    assert len(problem["found"]) < 200
    assert [*tmp_path.iterdir()] == []


def test_a_case_has_no_package_and_yet_a_name_of_its_own() -> None:
    assert answer("new", "case", "json", "--task", "regression")["status"] == "made"
    (problem,) = problems("new", "case", "medical_coding", "--task", "regression")
    assert problem["code"] == "name.plugin"


def test_a_folder_that_happens_to_have_the_name_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "top_layers").mkdir()
    assert answer(*PLUGIN)["status"] == "made"


def test_all_mistakes_are_told_at_once() -> None:
    found = problems("new", "plugin", "Top", "--kind", "stategy", "--summary", "two\nlines")
    assert [(each["where"], each["code"]) for each in found] == [
        ("NAME", "name.form"),
        ("--kind", "template.answer"),
        ("--summary", "template.answer"),
    ]
    assert found[1]["fix"] == "did you mean `strategy`?"


@pytest.mark.parametrize(
    ("arguments", "where", "expected"),
    [
        (("plugin", "mine"), "--kind", "one of strategy, metric, augmentation"),
        (("case", "mine"), "--task", "one of single_label, multi_label, regression"),
    ],
)
def test_an_answer_that_is_missing(arguments: Any, where: str, expected: str) -> None:
    (problem,) = problems("new", *arguments)
    assert (problem["where"], problem["found"]) == (where, "nothing")
    assert problem["expected"].startswith(expected)


@pytest.mark.parametrize(
    "summary", ["", " ", 'a "quoted" word', "back\\slash", "x" * 81, "\x1b[1m"]
)
def test_a_summary_that_would_break_a_file(summary: str) -> None:
    (problem,) = problems(*PLUGIN, "--summary", summary)
    assert problem["where"] == "--summary"
