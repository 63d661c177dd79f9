"""Setting parameters in a notebook: only their values change, and only to what the case allows."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_notebooks import CELL, REPOSITORY, lesson, read, saved, source_of
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.notebooks import read_parameters
from tunebook.notebooks.files import NotebookFile
from tunebook.notebooks.literals import with_values
from tunebook.notebooks.setting import Change, named_case, with_parameters

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # half of a surrogate pair can't be written in UTF-8, and comes from no command line
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tmp_path / "lesson.ipynb", lesson())


def set_in(path: Path, host: PluginHost | None = None, /, **given: Any) -> dict[str, Any]:
    """Sets parameters, writes the notebook, and returns the changes."""
    return set_all(path, given, host)


def set_all(path: Path, given: dict[str, Any], host: PluginHost | None = None) -> dict[str, Any]:
    file = NotebookFile.read(path)
    content, changes = with_parameters(file, given, host)
    file.write(content)
    return changes


def problem_of(path: Path, given: dict[str, Any], host: PluginHost | None = None) -> Any:
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        set_all(path, given, host)
    assert path.read_bytes() == before
    return caught.value.problems[0]


def test_only_the_literals_change(path: Path) -> None:
    before = path.read_text()
    changes = set_in(path, seed=3, strategy="lora")
    assert {name: (c.before, c.after) for name, c in changes.items()} == {
        "seed": (0, 3),
        "strategy": ("full", "lora"),
    }
    diff = difflib.ndiff(before.splitlines(), path.read_text().splitlines())
    changed = [line for line in diff if line[0] in "+-"]
    assert sorted(changed) == [
        '+     "seed: int = 3\\n",',
        '+     "strategy = \\"lora\\"  # or lora\\n",',
        '-     "seed: int = 0\\n",',
        '-     "strategy = \\"full\\"  # or lora\\n",',
    ]


def test_a_setting_of_the_case_goes_into_overrides_beside_the_comments(path: Path) -> None:
    set_all(path, {"training.epochs": 2, "text.max_tokens": 64})
    assert source_of(path, "parameters").endswith(
        'overrides = {\n    "training.epochs": 2, "text.max_tokens": 64,  # enough\n}\n'
    )


@given(given=st.fixed_dictionaries({}, optional={"rates": JSON_VALUES, "seed": JSON_VALUES}))
def test_any_value_is_read_back_and_the_rest_stays(given: dict[str, Any]) -> None:
    changed = with_values(CELL, given)
    scope: dict[str, Any] = {}
    exec(changed, scope)
    assert {name: scope[name] for name in given} == given
    assert changed.count("#") >= CELL.count("#")
    assert scope["overrides"] == {"training.epochs": 1}
    assert scope["strategy"] == "full"


@given(value=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES))
def test_any_mapping_is_laid_over_another(value: dict[str, Any]) -> None:
    source = "a = {'x': (1), 'y': 'é',  # y\n}  # a\nb = 'ü'; c = 2"
    scope: dict[str, Any] = {}
    exec(with_values(source, {"a": value, "c": 5}), scope)
    assert (scope["a"], scope["b"], scope["c"]) == (value, "ü", 5)


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("x = 1\r\ny = 2", {"y": 3}, "x = 1\r\ny = 3"),
        ("t = 'é'; y = 2  # ü", {"y": 3}, "t = 'é'; y = 3  # ü"),
        ("x = (1)", {"x": 2}, "x = (2)"),
        ("x = '''a\nb'''  # c", {"x": "d"}, 'x = "d"  # c'),
        ("x = -1", {"x": 1}, "x = 1"),
        ("x = 1", {"x": 1}, "x = 1"),
        ("x = 1", {"x": True}, "x = True"),
        ("x = 1", {"x": 1.0}, "x = 1.0"),
        ("x = {}", {"x": {"a": None}}, 'x = {"a": None}'),
        ("x = {'a': 1, 'b': 2}", {"x": {"b": 2}}, 'x = {"b": 2}'),
        ("x = {'a': {'b': 1}}", {"x": {"a": {"b": 2}}}, "x = {'a': {'b': 2}}"),
        ("x = 'a'", {"x": '"quoted"\n\\'}, 'x = "\\"quoted\\"\\n\\\\"'),
        ("x = 'a'", {"x": "\u200b\x7f"}, "x = '\\u200b\\x7f'"),
    ],
)
def test_how_a_value_is_written(source: str, value: dict[str, Any], expected: str) -> None:
    assert with_values(source, value) == expected


def test_a_value_too_long_for_a_line_gets_many() -> None:
    long = {f"section.setting_{number}": number for number in range(8)}
    changed = with_values("overrides = {}", {"overrides": long})
    assert max(map(len, changed.splitlines())) < 40
    assert changed.startswith('overrides = {\n    "section.setting_0": 0,\n')


def test_nothing_is_written_where_nothing_changes(path: Path) -> None:
    stamp = path.stat().st_mtime_ns
    assert set_in(path, seed=0, rates=[1e-4, 2e-4]) == {}
    assert path.stat().st_mtime_ns == stamp


def test_another_type_deep_inside_is_a_change(path: Path) -> None:
    before = {"training.epochs": 1}
    after = {"training.epochs": 1.0}
    assert set_in(path, overrides=after) == {"overrides": Change(before, after)}
    assert '"training.epochs": 1.0,  # enough' in source_of(path, "parameters")


def test_an_unknown_parameter_has_a_near_name_among_parameters_and_settings(path: Path) -> None:
    for given_name, near in (("sed", "seed"), ("trainng.epochs", "training"), ("rtes", "rates")):
        problem = problem_of(path, {given_name: 1})
        assert problem.code == "notebook.unknown_parameter"
        assert problem.fix == f"did you mean `{near}`?"


def test_without_overrides_only_what_is_listed_can_be_set(tmp_path: Path) -> None:
    path = saved(tmp_path / "n.ipynb", lesson("seed = 0"))
    problem = problem_of(path, {"training.epochs": 2})
    assert problem.code == "notebook.unknown_parameter"
    assert "overrides = {}" in problem.fix


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": {1}}])
def test_a_value_that_json_has_not_is_refused(path: Path, value: Any) -> None:
    assert problem_of(path, {"rates": value}).code == "parameter.type"


def test_without_a_parameters_cell_it_is_refused(tmp_path: Path) -> None:
    content = lesson()
    content["cells"].pop(1)
    problem = problem_of(saved(tmp_path / "n.ipynb", content), {"seed": 1})
    assert problem.code == "notebook.parameters_cell"


def test_the_case_that_the_notebook_loads_says_what_is_allowed(
    path: Path, host: PluginHost
) -> None:
    assert problem_of(path, {"strategy": "lroa"}, host).fix == "did you mean `lora`?"
    assert problem_of(path, {"training.epoch": 2}, host).code == "config.unknown_key"
    assert problem_of(path, {"seed": "three"}, host).where == "seed"
    set_all(path, {"strategy": "lora", "training.epochs": 3}, host)
    assert read_parameters(path)["overrides"] == {"training.epochs": 3}


def test_parameters_of_the_notebook_alone_are_no_settings(path: Path, host: PluginHost) -> None:
    set_all(path, {"rates": [3.0]}, host)
    assert read_parameters(path)["rates"] == [3.0]


def test_a_notebook_that_loads_a_case_of_its_own_is_checked_against_that(
    tmp_path: Path, host: PluginHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = saved(folder / "n.ipynb", lesson(load='case = load_case("own.yaml", seed=seed)'))
    (folder / "own.yaml").write_text("{not yaml")
    monkeypatch.chdir(tmp_path)
    assert problem_of(path, {"seed": 1}, host).code == "case.not_yaml"


@pytest.mark.parametrize(
    ("load", "name"),
    [
        ('tb.load_case("a")', "a"),
        ('%time\nx = load_case("a", seed=seed).text', "a"),
        ("tb.load_case(name)", None),
        ('load_case("a"), load_case("b")', None),
        ('other("a")', None),
        ("not = python", None),
        ("load_case(3)", None),
    ],
)
def test_which_case_a_notebook_names(load: str, name: str | None) -> None:
    assert named_case(lesson(load=load)) == name


@pytest.mark.adapters
def test_every_notebook_of_ours_takes_a_seed_and_changes_in_one_line(
    tmp_path: Path, host: PluginHost
) -> None:
    taken = 0
    for original in REPOSITORY:
        path = tmp_path / original.name
        path.write_bytes(original.read_bytes())
        if "seed" not in read_parameters(path):
            continue
        assert named_case(read(path)) == path.stem
        set_all(path, {"seed": 7, "preset": "smoke"}, host)
        pairs = zip(original.read_text().splitlines(), path.read_text().splitlines(), strict=True)
        assert sum(one != other for one, other in pairs) == 2
        taken += 1
    assert taken == 6  # comparing a batch and writing a plugin have none


def test_what_somebody_else_wrote_meanwhile_is_kept(path: Path) -> None:
    file = NotebookFile.read(path)
    content, _ = with_parameters(file, {"seed": 1}, None)
    path.write_text(json.dumps(lesson("seed = 99")))
    with pytest.raises(ConfigError, match=r"notebook\.changed_meanwhile"):
        file.write(content)
    assert read_parameters(path) == {"seed": 99}


@pytest.mark.parametrize("indent", [None, 1, 2])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_layout_of_the_file_stays(tmp_path: Path, indent: int | None, end: str) -> None:
    path = saved(tmp_path / "n.ipynb", lesson(), indent)
    path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    expected = path.read_bytes().replace(b"seed: int = 0", b"seed: int = 4")
    set_in(path, seed=4)
    assert path.read_bytes() == expected


@pytest.mark.parametrize("ascii_only", [True, False])
def test_letters_stay_as_they_were_written(tmp_path: Path, ascii_only: bool) -> None:
    content = lesson()
    content["cells"][0]["source"] = ["# Größe, 数据 and \x1b[0m"]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=ascii_only) + "\n", "utf-8")
    expected = path.read_bytes().replace(b"seed: int = 0", b"seed: int = 4")
    set_in(path, seed=4)
    assert path.read_bytes() == expected


def test_a_link_to_a_notebook_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.ipynb"
    link.symlink_to(path)
    set_in(link, seed=4)
    assert link.is_symlink()
    assert read_parameters(path)["seed"] == 4
