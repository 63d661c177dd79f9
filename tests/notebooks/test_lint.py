"""A committed notebook: each rule lets the good one pass and catches one change to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunebook.errors import ConfigError
from tunebook.notebooks import lint_notebook

FIXTURES = Path(__file__).parent / "fixtures"
Change = Callable[[dict[str, Any]], None]


def changed(tmp_path: Path, change: Change) -> Path:
    content = json.loads((FIXTURES / "succeeds.ipynb").read_text())
    change(content)
    path = tmp_path / "changed.ipynb"
    path.write_text(json.dumps(content))
    return path


def last_source(text: str) -> Change:
    return lambda content: content["cells"][-1].update(source=text)


def last_cell(**values: Any) -> Change:
    return lambda content: content["cells"][-1].update(values)


def test_fixtures_are_clean() -> None:
    notebooks = sorted(FIXTURES.glob("*.ipynb"))
    assert len(notebooks) == 13
    assert {path.name: lint_notebook(path) for path in notebooks} == {
        path.name: [] for path in notebooks
    }


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("outputs", last_cell(execution_count=1)),
        (
            "outputs",
            last_cell(outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}]),
        ),
        ("widget_state", lambda content: content["metadata"].update(widgets={})),
        ("kernel", lambda content: content["metadata"]["kernelspec"].update(name="julia")),
        ("kernel", lambda content: content["metadata"].pop("kernelspec")),
        ("cell_id", lambda content: content["cells"][0].pop("id")),
        ("cell_id", lambda content: content["cells"][0].update(id="parameters")),
        ("format", lambda content: content.pop("nbformat_minor")),
        ("long_cell", last_source("# long\n" + "a = 1\n" * 15)),
        ("unexplained", last_source("a = 1")),
        ("definition", last_source("# a function\ndef f():\n    return 1")),
        ("definition", last_source("# a class\nclass A:\n    x = 1")),
        ("definition", last_source("# a lambda\nf = lambda: 1")),
        ("syntax", last_source("# broken\na = = 1")),
        ("parameters_cell", lambda content: content["cells"].pop(2)),
        ("not_a_literal", lambda content: content["cells"][2].update(source="# p\na = f()")),
    ],
)
def test_a_rule_catches_its_breach(tmp_path: Path, code: str, change: Change) -> None:
    found = {problem.code for problem in lint_notebook(changed(tmp_path, change))}
    assert f"notebook.{code}" in found


def test_magics_are_allowed(tmp_path: Path) -> None:
    path = changed(tmp_path, last_source("# figures\n%matplotlib inline\n!ls"))
    assert lint_notebook(path) == []


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("%%bash\nfor f in *; do echo $f; done", set()),
        ("\n%%html\n<b>", set()),
        ("%%writefile case.yaml\nname: x\n - y", set()),
        ("%%writefile", set()),
        ("%%time\nx = = 1", {"notebook.syntax"}),
        ("%%timeit -n 1\nclass A:\n    x = 1", {"notebook.definition"}),
        ("x = " + "-" * 200_000 + "1", {"notebook.syntax"}),
        ("x = " + "a." * 50_000 + "b", {"notebook.syntax"}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_of_a_cell_is_python(tmp_path: Path, source: str, codes: set[str]) -> None:
    change = lambda content: content["cells"].append(  # noqa: E731
        content["cells"][-1] | {"id": "magic", "source": source}
    )
    found = {problem.code for problem in lint_notebook(changed(tmp_path, change))}
    assert found - {"notebook.unexplained"} == codes


def test_a_cell_that_writes_a_file_may_define_what_is_to_be_in_it(tmp_path: Path) -> None:
    def cell(text: str) -> set[str]:
        path = changed(tmp_path, last_source(text))
        content = json.loads(path.read_text())
        content["cells"].insert(
            -1, {"cell_type": "markdown", "id": "why", "metadata": {}, "source": "Why."}
        )
        path.write_text(json.dumps(content))
        return {problem.code for problem in lint_notebook(path)}

    assert cell("%%writefile mine.py\nclass Mine:\n    x = 1") == set()
    assert cell("%%writefile mine.py\nclass Mine\n    x = 1") == {"notebook.syntax"}
    assert cell("%%time\nclass Mine:\n    x = 1") == {"notebook.definition"}


def test_a_file_that_is_no_notebook_raises(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text("[]")
    with pytest.raises(ConfigError, match=r"notebook\.not_a_notebook"):
        lint_notebook(path)
