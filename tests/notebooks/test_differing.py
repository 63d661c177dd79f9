"""Comparing notebooks: by the ids of cells, whatever running them has left."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from small_notebooks import REPOSITORY, code, lesson, read
from tunebook.notebooks.differing import Differences, differences
from tunebook.notebooks.files import NotebookFile
from tunebook.notebooks.setting import Change


def compare(before: dict[str, Any], after: dict[str, Any]) -> Differences:
    one, other = (NotebookFile(Path("n.ipynb"), "", content) for content in (before, after))
    return differences(one, other)


@pytest.fixture
def other() -> dict[str, Any]:
    return lesson()


def told(found: Differences) -> list[tuple[str, str]]:
    return [(cell.change, cell.id) for cell in found.cells]


def test_a_notebook_is_like_itself_however_often_it_ran(other: dict[str, Any]) -> None:
    other["cells"][1] |= {"execution_count": 3, "outputs": [{"output_type": "stream"}]}
    other["metadata"]["widgets"] = {}
    assert not compare(lesson(), other)
    for path in REPOSITORY:
        assert not compare(read(path), read(path))


def test_a_changed_source_is_a_diff_of_its_lines(other: dict[str, Any]) -> None:
    other["cells"][4]["source"] = "# what it came to\ncase.training"
    (cell,) = compare(lesson(), other).cells
    assert (cell.change, cell.id, cell.kind) == ("changed", "show", "code")
    assert cell.lines == ["@@ -1,2 +1,2 @@", " # what it came to", "-case", "+case.training"]


def test_a_source_in_lines_is_the_same_as_a_text(other: dict[str, Any]) -> None:
    other["cells"][1]["source"] = "".join(other["cells"][1]["source"])
    assert not compare(lesson(), other)


def test_parameters_are_compared_by_value(other: dict[str, Any]) -> None:
    source = "".join(other["cells"][1]["source"])
    other["cells"][1]["source"] = source.replace("seed: int = 0", "seed: int = 2") + "new = 'x'"
    found = compare(lesson(), other)
    assert told(found) == [("changed", "parameters")]
    assert found.parameters == {"seed": Change(0, 2), "new": Change(None, "x")}


def test_another_type_is_another_value(other: dict[str, Any]) -> None:
    source = "".join(other["cells"][1]["source"])
    other["cells"][1]["source"] = source.replace("seed: int = 0", "seed: int = False")
    found = compare(lesson(), other)
    assert repr(found.parameters["seed"]) == repr(Change(0, False))


def test_tags_that_come_and_go(other: dict[str, Any]) -> None:
    other["cells"][4]["metadata"]["tags"] = ["new", "other"]
    (cell,) = compare(lesson(), other).cells
    assert (cell.id, cell.tags, cell.lines) == ("show", ["-keep", "+new", "+other"], [])


def test_cells_that_come_go_and_move(other: dict[str, Any]) -> None:
    other["cells"].insert(2, code("x = 1", "new", "t"))
    other["cells"].append(other["cells"].pop(0))
    other["cells"].pop(3)
    found = compare(lesson(), other)
    ids = [cell["id"] for cell in other["cells"]]
    assert ids == ["parameters", "new", "about-case", "show", "title"]
    assert told(found) == [("removed", "load"), ("added", "new"), ("moved", "title")]
    added = found.cells[1]
    assert (added.lines, added.tags) == (["@@ -0,0 +1 @@", "+x = 1"], ["+t"])


def test_another_kind_of_cell_is_a_change(other: dict[str, Any]) -> None:
    other["cells"][0]["cell_type"] = "raw"
    assert told(compare(lesson(), other)) == [("changed", "title")]


def test_the_way_back_is_the_same_with_signs_turned(other: dict[str, Any]) -> None:
    other["cells"][4]["source"] = "# new\ncase"
    other["cells"].pop(0)
    there, back = compare(lesson(), other), compare(other, lesson())
    assert told(there) == [("removed", "title"), ("changed", "show")]
    assert told(back) == [("added", "title"), ("changed", "show")]


def test_without_ids_cells_are_known_by_their_source(other: dict[str, Any]) -> None:
    before = lesson()
    for content in (before, other):
        for cell in content["cells"]:
            cell.pop("id")
    other["cells"][2]["source"] = "Another text."
    assert [change for change, _ in told(compare(before, other))] == ["removed", "added"]


def test_twice_the_same_id_is_compared_in_order(other: dict[str, Any]) -> None:
    before = copy.deepcopy(other)
    for content in (before, other):
        content["cells"][4]["id"] = "load"
    other["cells"][4]["source"] = "# other\ncase"
    assert told(compare(before, other)) == [("changed", "load (2)")]


def test_notebooks_without_parameters_can_be_compared(other: dict[str, Any]) -> None:
    other["cells"].pop(1)
    found = compare(other, lesson())
    assert told(found) == [("added", "parameters")]
    assert found.parameters["seed"] == Change(None, 0)
