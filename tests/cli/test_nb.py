"""`nb`: notebooks looked at, checked and changed from a command line."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from small_notebooks import REPOSITORY, lesson, read, saved, source_of
from tunebook.errors import ExitCode

Invoke = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tmp_path / "lesson.ipynb", lesson())


def answer(invoke: Invoke, *arguments: object, code: int = 0) -> dict[str, Any]:
    result = invoke("nb", *arguments, "--json")
    assert result.exit_code == code, result.stderr
    content: dict[str, Any] = json.loads(result.stdout)
    assert content["schema_version"] == 1
    return content


def run_once(path: Path) -> None:
    content = read(path)
    content["cells"][1] |= {"execution_count": 1}
    content["metadata"]["widgets"] = {"state": {}}
    saved(path, content)


def test_params_are_data(invoke: Invoke, path: Path) -> None:
    told = answer(invoke, "params", path)
    assert told["parameters"]["rates"] == [1e-4, 2e-4]
    assert (told["case"], told["cell"], told["id"]) == ("medical_coding", 2, "parameters")
    assert told["takes_overrides"] is True
    assert 'strategy = "full"\nseed = 0\n' in invoke("nb", "params", path).stdout


def test_set_changes_and_says_so_once(invoke: Invoke, path: Path) -> None:
    command = ("set", path, "seed=3", "strategy=lora", "training.epochs=2")
    first, again = answer(invoke, *command), answer(invoke, *command)
    assert first["changed"]["seed"] == {"before": 0, "after": 3}
    assert first["checked"] is True
    assert first["changed"].keys() == {"seed", "strategy", "overrides"}
    assert again["changed"] == {}
    assert 'strategy = "lora"  # or lora' in source_of(path, "parameters")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["sed=3"], "notebook.unknown_parameter"),
        (["strategy=lroa"], "config.unknown_kind"),
        (["seed"], "parameter.form"),
        (["seed=1", "seed=2"], "parameter.twice"),
        (["rates=NaN"], "parameter.type"),
        ([], "usage.invalid"),
    ],
)
def test_a_wrong_value_changes_nothing(
    invoke: Invoke, path: Path, values: list[str], code: str
) -> None:
    before = path.read_bytes()
    told = answer(invoke, "set", path, *values, code=ExitCode.CONFIG)
    assert told["error"]["problems"][0]["code"] == code
    assert path.read_bytes() == before


def test_set_without_a_check(invoke: Invoke, path: Path) -> None:
    told = answer(invoke, "set", path, "strategy=mine", "--no-check")
    assert told["checked"] is False
    assert 'strategy = "mine"' in source_of(path, "parameters")


def test_lint_explains_and_fixes(invoke: Invoke, path: Path) -> None:
    run_once(path)
    told = answer(invoke, "lint", path, code=ExitCode.CONFIG)
    findings = told["notebooks"][0]["findings"]
    assert [row["code"] for row in findings] == ["notebook.widget_state", "notebook.outputs"]
    assert all(row["why"] and row["fix"] and row["fixable"] for row in findings)
    assert not any(row["fixed"] for row in findings)
    fixed = answer(invoke, "lint", path, "--fix")
    assert all(row["fixed"] for row in fixed["notebooks"][0]["findings"])
    assert answer(invoke, "lint", path)["notebooks"][0]["findings"] == []
    assert path.read_text() == saved(path.with_name("same.ipynb"), lesson()).read_text()


def test_lint_goes_on_past_a_file_that_is_no_notebook(invoke: Invoke, path: Path) -> None:
    (path.parent / "broken.ipynb").write_text("{")
    told = answer(invoke, "lint", path.parent, code=ExitCode.CONFIG)
    broken, good = told["notebooks"]
    assert broken["problems"][0]["code"] == "notebook.not_a_notebook"
    assert good["findings"] == []


def test_lint_of_our_notebooks_has_nothing_to_say(invoke: Invoke) -> None:
    told = answer(invoke, "lint", REPOSITORY[0].parent)
    assert len(told["notebooks"]) == len(REPOSITORY)


def test_strip(invoke: Invoke, path: Path) -> None:
    run_once(path)
    told = answer(invoke, "strip", path)
    assert told["notebooks"][0]["stripped"] == {"execution_counts": 1, "widget_state": 1}
    assert read(path) == lesson()
    assert answer(invoke, "strip", path)["notebooks"][0]["stripped"] == {}


def test_strip_changes_none_where_one_is_no_notebook(invoke: Invoke, path: Path) -> None:
    run_once(path)
    before = path.read_bytes()
    (path.parent / "broken.ipynb").write_text("{")
    answer(invoke, "strip", path, path.parent / "broken.ipynb", code=ExitCode.CONFIG)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_who_may_read_a_notebook_stays(invoke: Invoke, path: Path, mode: int) -> None:
    run_once(path)
    path.chmod(mode)
    assert answer(invoke, "strip", path)["notebooks"][0]["stripped"]
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_system_without_modes_is_no_obstacle(
    invoke: Invoke, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    run_once(path)
    monkeypatch.setattr("shutil.copymode", refuse)
    assert answer(invoke, "strip", path)["notebooks"][0]["stripped"]
    assert read(path) == lesson()


def test_where_it_cannot_be_written_it_stays(invoke: Invoke, path: Path) -> None:
    long = path.rename(path.with_name("n" * 245 + ".ipynb"))  # its neighbour's is longer still
    run_once(long)
    before = long.read_bytes()
    told = answer(invoke, "strip", long, code=ExitCode.ENVIRONMENT)
    (problem,) = told["error"]["problems"]
    assert (problem["code"], problem["where"]) == ("environment.not_writable", str(long))
    assert long.read_bytes() == before


def test_diff_says_what_differs_and_by_its_exit_code(invoke: Invoke, path: Path) -> None:
    other = saved(path.with_name("other.ipynb"), lesson())
    assert answer(invoke, "diff", path, other)["alike"] is True
    answer(invoke, "set", other, "seed=1")
    told = answer(invoke, "diff", path, other, code=ExitCode.DIFFERENT)
    assert told["parameters"] == {"seed": {"before": 0, "after": 1}}
    assert [cell["id"] for cell in told["cells"]] == ["parameters"]
    text = invoke("nb", "diff", path, other)
    assert "-seed: int = 0" in text.stderr + text.stdout


def test_to_py_and_back(invoke: Invoke, path: Path) -> None:
    script = path.with_suffix(".py")
    told = answer(invoke, "to-py", path)
    assert told == told | {"path": str(script), "changed": True}
    assert told["next"] == [f"tunebook nb from-py {script}"]
    script.write_text(script.read_text().replace("seed: int = 0", "seed: int = 8"))
    assert answer(invoke, "from-py", script)["changed"] is True
    assert answer(invoke, "params", path)["parameters"]["seed"] == 8
    assert answer(invoke, "from-py", script)["changed"] is False
    assert answer(invoke, "to-py", path)["changed"] is False


@pytest.mark.parametrize(
    "command",
    [
        ["lint", "{nb}", "--fix"],
        ["strip", "{nb}"],
        ["set", "{nb}", "seed=9"],
        ["to-py", "{nb}"],
        ["from-py", "{py}"],
    ],
    ids=lambda command: command[0],
)
def test_dry_run_says_it_and_does_nothing(invoke: Invoke, path: Path, command: list[str]) -> None:
    run_once(path)
    script = path.with_name("script.py")
    script.write_text("# %%\nx = 1\n")
    places = {"{nb}": path, "{py}": script}
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    told = answer(invoke, *[places.get(part, part) for part in command], "--dry-run")
    assert told["dry_run"] is True
    text = invoke("nb", *[places.get(part, part) for part in command], "--dry-run")
    assert re.search("would be|nothing was written", text.stdout + text.stderr)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


@pytest.mark.parametrize("command", ["params", "lint", "strip", "to-py", "set"])
@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "missing"), (b"[]", "not_a_notebook"), (b"\xff\xfe", "not_a_notebook")],
)
def test_what_is_no_notebook(
    invoke: Invoke, tmp_path: Path, command: str, content: bytes | None, code: str
) -> None:
    path = tmp_path / "n.ipynb"
    if content is not None:
        path.write_bytes(content)
    more = ["seed=1"] if command == "set" else []
    told = answer(invoke, command, path, *more, code=ExitCode.CONFIG)
    assert told["error"]["problems"][0]["code"] == f"notebook.{code}"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (b"\xff\xfe", "not_a_script"),
        (b"# %% tags=3\nx = 1\n", "not_understood"),
        (b'# %% tags=["a", 3]\nx = 1\n', "not_understood"),
    ],
)
def test_what_is_no_script(invoke: Invoke, tmp_path: Path, script: bytes, code: str) -> None:
    place = tmp_path / "s.py"
    place.write_bytes(script)
    told = answer(invoke, "from-py", place, code=ExitCode.CONFIG)
    assert told["error"]["problems"][0]["code"] == f"notebook.{code}"
    assert [*tmp_path.iterdir()] == [place]


@pytest.mark.parametrize("tags", ["parameters", [3], {"a": 1}])
def test_a_damaged_notebook_is_no_script(invoke: Invoke, path: Path, tags: object) -> None:
    content = read(path)
    content["cells"][0]["metadata"]["tags"] = tags
    saved(path, content)
    told = answer(invoke, "to-py", path, code=ExitCode.CONFIG)
    assert told["error"]["problems"][0]["code"].startswith("notebook.no")
    assert not path.with_suffix(".py").exists()


@pytest.mark.parametrize("arguments", [["from-py", "{nb}"], ["to-py", "{nb}", "{nb}"]])
def test_a_notebook_is_not_overwritten_by_a_script_of_itself(
    invoke: Invoke, path: Path, arguments: list[str]
) -> None:
    before = path.read_bytes()
    words = [path if word == "{nb}" else word for word in arguments]
    told = answer(invoke, *words, "--force", code=ExitCode.CONFIG)
    assert told["error"]["problems"][0]["code"] == "notebook.same_file"
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["to-py", "from-py", "params", "strip"])
@pytest.mark.parametrize("place", [".", "", "..", "a.**"])
def test_a_path_that_names_no_file(invoke: Invoke, command: str, place: str) -> None:
    told = answer(invoke, command, place, code=ExitCode.CONFIG)
    assert told["error"]["problems"][0]["code"] == "notebook.missing"


def test_a_missing_script_names_a_near_one(invoke: Invoke, path: Path) -> None:
    path.with_suffix(".py").write_text("")
    told = answer(invoke, "from-py", path.with_name("leson.py"), code=ExitCode.CONFIG)
    (problem,) = told["error"]["problems"]
    assert problem["expected"] == "a script"
    assert "lesson.py" in problem["fix"]


def test_an_empty_folder_is_no_success(invoke: Invoke, tmp_path: Path) -> None:
    told = answer(invoke, "lint", tmp_path, code=ExitCode.CONFIG)
    assert told["error"]["problems"][0]["code"] == "notebook.missing"
