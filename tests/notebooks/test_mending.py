"""Lint explains, and fixes what is safe; strip takes out what running leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from small_notebooks import REPOSITORY, code, lesson, read
from tunebook.notebooks.lint import lint_content
from tunebook.notebooks.mending import FIXES, WHY, examined
from tunebook.notebooks.stripping import stripped

PATH = Path("n.ipynb")
Change = Callable[[dict[str, Any]], object]
STREAM = {"output_type": "stream", "name": "stdout", "text": "x"}


def cell(number: int, **values: Any) -> Change:
    return lambda content: content["cells"][number].update(values)


def metadata(**values: Any) -> Change:
    return lambda content: content["metadata"].update(values)


def after(change: Change) -> dict[str, Any]:
    content = lesson()
    change(content)
    return content


SAFE: list[tuple[str, Change]] = [
    ("outputs", cell(1, outputs=[STREAM])),
    ("outputs", cell(1, execution_count=4)),
    ("widget_state", metadata(widgets={"state": {}})),
    ("cell_id", lambda content: content["cells"][0].pop("id")),
    ("cell_id", cell(1, id="load")),
    ("cell_id", cell(1, id=["no", "text"])),
    ("format", cell(0, id="not valid!")),
    ("format", lambda content: content.pop("nbformat_minor")),
    ("format", lambda content: content.update(nbformat_minor=4)),
    ("format", lambda content: content["cells"][1].pop("outputs")),
    ("format", lambda content: content["cells"][3].pop("metadata")),
    ("format", lambda content: content["cells"][0].update(outputs=[])),
    ("format", lambda content: content.update(metadata=[])),
    ("kernel", lambda content: content["metadata"].pop("kernelspec")),
    ("kernel", metadata(kernelspec={"name": "venv", "display_name": "v", "language": "python"})),
]
UNSAFE: list[tuple[str, Change]] = [
    ("long_cell", cell(4, source="# long\n" + "a = 1\n" * 15)),
    ("unexplained", cell(4, source="a = 1")),
    ("definition", cell(4, source="# a class\nclass A: ...")),
    ("syntax", cell(4, source="# broken\na = = 1")),
    ("parameters_cell", lambda content: content["cells"].pop(1)),
    ("not_a_literal", cell(1, source="# p\na = f()")),
    ("kernel", lambda content: content.update(metadata={"language_info": {"name": "julia"}})),
    ("format", lambda content: content.update(nbformat=5)),
]


@pytest.mark.parametrize(("code_of", "change"), SAFE)
def test_what_is_safe_is_fixed_without_touching_code_or_prose(code_of: str, change: Change) -> None:
    content = after(change)
    findings, mended = examined(PATH, content)
    assert f"notebook.{code_of}" in {each.problem.code for each in findings}
    assert all(each.fixable for each in findings)
    assert lint_content(PATH, mended) == []
    assert sources(mended) == sources(content)
    assert examined(PATH, mended) == ([], mended)


@pytest.mark.parametrize(("code_of", "change"), UNSAFE)
def test_what_needs_a_decision_is_left(code_of: str, change: Change) -> None:
    content = after(change)
    findings, mended = examined(PATH, content)
    assert f"notebook.{code_of}" in {each.problem.code for each in findings if not each.fixable}
    assert sources(mended) == sources(content)


def sources(content: dict[str, Any]) -> list[Any]:
    return [(cell["cell_type"], cell["source"]) for cell in content["cells"]]


def test_a_mistake_behind_one_that_is_fixed_is_told() -> None:
    content = lesson()
    content.pop("nbformat_minor")
    content["cells"][0]["cell_type"] = "banana"
    findings, mended = examined(PATH, content)
    first, behind = [each for each in findings if each.problem.code == "notebook.format"]
    assert (first.fixable, behind.fixable) == (True, False)
    assert behind.problem in lint_content(PATH, mended)


def test_every_finding_says_why_it_matters() -> None:
    found = {f"notebook.{code_of}" for code_of, _ in SAFE + UNSAFE}
    assert found == {*WHY}
    assert FIXES.keys() <= WHY.keys()


def test_examining_changes_nothing_by_itself() -> None:
    content = after(lambda content: content["cells"][0].pop("id"))
    before = copy.deepcopy(content)
    examined(PATH, content)
    assert content == before


def test_a_new_id_is_the_same_each_time_and_taken_by_nobody() -> None:
    content = lesson()
    for each in content["cells"]:
        each.pop("id")
    first, second = examined(PATH, content)[1], examined(PATH, content)[1]
    assert first == second
    assert len({each["id"] for each in first["cells"]}) == 5


def test_colabs_ids_are_kept() -> None:
    content = lesson()
    content["cells"][1].pop("id")
    content["cells"][1]["metadata"]["id"] = "abcDEF_1-2"
    assert examined(PATH, content)[1]["cells"][1]["id"] == "abcDEF_1-2"


@pytest.mark.parametrize("part", [None, [], 3, "text"])
def test_damaged_parts_are_findings_and_no_crash(part: Any) -> None:
    for key in ("metadata", "source", "id", "outputs", "cell_type"):
        content = after(cell(1, **{key: part}))
        findings, _ = examined(PATH, content)
        assert findings or content == lesson() or key in ("source", "id", "outputs")


def test_strip_takes_what_running_leaves_and_nothing_else() -> None:
    clean = lesson()
    run = copy.deepcopy(clean)
    times = {"execution": {"iopub.execute_input": "1"}, "papermill": {"duration": 1}}
    run["cells"][1] |= {"outputs": [STREAM], "execution_count": 1}
    run["cells"][1]["metadata"] |= times
    run["cells"][3] |= {"execution_count": 2}
    run["metadata"] |= {"widgets": {"state": {}}, "papermill": {"duration": 2}}
    content, gone = stripped(run)
    assert content == clean
    assert gone == {"outputs": 1, "execution_counts": 2, "widget_state": 1, "run_metadata": 2}
    assert stripped(content) == (clean, {})


def test_our_notebooks_are_stripped_already() -> None:
    assert len(REPOSITORY) == 9
    for path in REPOSITORY:
        content = read(path)
        assert stripped(content) == (content, {})
        assert examined(path, content) == ([], content)


def test_prose_gets_no_outputs() -> None:
    content = lesson()
    assert "outputs" not in stripped(content)[0]["cells"][0]
    assert code("x", "y").keys() == stripped(content)[0]["cells"][1].keys()
