"""Notebooks as scripts and back: what comes back is what went out, or nothing is written."""

from __future__ import annotations

import ast
import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_notebooks import REPOSITORY, code, lesson, notebook, prose, read, saved, source_of
from tunebook.errors import ConfigError, MachineError
from tunebook.notebooks import lint_notebook
from tunebook.notebooks.exchange import write_notebook, write_script
from tunebook.notebooks.files import NotebookFile
from tunebook.notebooks.scripts import fingerprint, from_script, to_script

PATH = Path("n.ipynb")

WORDS = st.text("abc é中#'\"\\(){}=:,.0", max_size=12)
LINES = st.sampled_from(
    [
        "x = 1",
        "# a comment",
        "%matplotlib inline",
        "# %matplotlib inline",
        "!ls",
        "if x:\n    y = 2",
        '"""a\n\ntext"""',
        "",
        "print(f'{x}')",
        "# +",
        "# -",
        "# ---",
    ]
)
CODE = st.lists(LINES | WORDS, max_size=5).map("\n".join).map(lambda text: text.strip("\n"))
PROSE = st.lists(st.sampled_from(["# Title", "* item", "", "$x^2$", '"""']) | WORDS, max_size=5)
TAGS = st.lists(st.text("abc-_é \"']", min_size=1, max_size=8), max_size=3, unique=True)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "tags": TAGS,
        "slideshow": st.just({"slide_type": "slide"}),
        "editable": st.booleans(),
        "title": st.just("a title"),
    },
)
CELLS = st.lists(
    st.tuples(st.just(code), CODE, METADATA)
    | st.tuples(st.just(prose), PROSE.map("\n".join).map(lambda text: text.strip("\n")), METADATA),
    max_size=6,
)


def made(cells: list[Any]) -> dict[str, Any]:
    return notebook(
        *(
            make(source, f"cell-{number}", metadata=metadata)
            for number, (make, source, metadata) in enumerate(cells)
        )
    )


def there_and_back(content: dict[str, Any]) -> dict[str, Any]:
    return from_script(to_script(PATH, content))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tmp_path / "lesson.ipynb", lesson())


def write_both(path: Path) -> Path:
    script = path.with_suffix(".py")
    assert write_script(NotebookFile.read(path), script, force=False, dry_run=False)
    return script


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("path", REPOSITORY, ids=lambda path: path.stem)
def test_our_notebooks_come_back_to_the_byte(path: Path, tmp_path: Path) -> None:
    copied = tmp_path / path.name
    copied.write_bytes(path.read_bytes())
    script = write_both(copied)
    assert not write_notebook(script, copied, force=False, dry_run=False)
    copied.unlink()
    assert write_notebook(script, copied, force=False, dry_run=False)
    assert copied.read_bytes() == path.read_bytes()


def test_there_are_notebooks_of_ours() -> None:
    assert len(REPOSITORY) == 9


def only_that_it_would_not_come_back(error: ConfigError) -> None:
    assert [problem.code for problem in error.problems] == ["notebook.no_round_trip"]


round_trips = {"kept": 0, "refused": 0}


@given(cells=CELLS)
@settings(max_examples=80)
def test_any_notebook_comes_back_or_is_refused_by_cell(cells: list[Any]) -> None:
    content = made(cells)
    try:
        assert there_and_back(content) == content
        round_trips["kept"] += 1
    except ConfigError as error:
        only_that_it_would_not_come_back(error)
        round_trips["refused"] += 1


def test_hardly_any_notebook_is_refused() -> None:
    assert round_trips["kept"] >= 60
    assert round_trips["refused"] <= round_trips["kept"] / 5


ODD = st.text(max_size=25) | st.sampled_from(
    ["# %%", "x\n# %% a\ny", "%%bash\nls", '"""', "x?", "# +\nx", "\r", "a\u2028b", " \n x"]
)


@given(cells=st.lists(st.tuples(st.sampled_from([code, prose]), ODD, METADATA), max_size=4))
@settings(max_examples=80)
def test_whatever_stands_in_a_cell_it_comes_back_or_is_refused(cells: list[Any]) -> None:
    content = made(cells)
    try:
        there = there_and_back(content)
    except ConfigError as error:
        only_that_it_would_not_come_back(error)
        return
    pairs = zip(there["cells"], content["cells"], strict=True)
    # blank lines around a source are all that may be lost
    assert all(bare(one) == bare(other) for one, other in pairs)


def bare(cell: dict[str, Any]) -> dict[str, Any]:
    return cell | {"source": "".join(cell["source"]).strip("\n")}


def test_a_script_shows_ids_and_tags_and_is_python(path: Path) -> None:
    script = to_script(path, read(path))
    assert '# %% id="parameters" tags=["parameters"]\n# what to run\npreset = "default"' in script
    assert '# %% [markdown] id="title"\n# # A lesson\n#\n# With *words*.' in script
    ast.parse(script)


def test_an_edit_in_the_script_lands_in_its_cell_and_the_rest_stays(path: Path) -> None:
    content = read(path)
    content["cells"][3] |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]}
    content["cells"][3]["execution_count"] = 3
    content["metadata"]["widgets"] = {"state": {}}
    saved(path, content)
    script = write_both(path)
    edit(script, "seed: int = 0", "seed: int = 5")
    assert write_notebook(script, path, force=False, dry_run=False)
    assert "seed: int = 5" in source_of(path, "parameters")
    after = read(path)
    assert [cell["id"] for cell in after["cells"]] == [cell["id"] for cell in content["cells"]]
    assert after["cells"][3] == content["cells"][3]
    assert after["metadata"] == content["metadata"]


def test_a_changed_cell_loses_its_outputs(path: Path) -> None:
    content = read(path)
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    script = write_both(saved(path, content))
    edit(script, "seed: int = 0", "seed: int = 5")
    write_notebook(script, path, force=False, dry_run=False)
    assert read(path)["cells"][1]["outputs"] == []


def test_pictures_in_prose_stay_in_the_notebook(path: Path) -> None:
    content = read(path)
    content["cells"][0]["attachments"] = {"a.png": {"image/png": "eA=="}}
    script = write_both(saved(path, content))
    edit(script, "With *words*.", "With ![a](attachment:a.png)")
    write_notebook(script, path, force=False, dry_run=False)
    cell = read(path)["cells"][0]
    assert cell["attachments"] == {"a.png": {"image/png": "eA=="}}
    assert "attachment:a.png" in source_of(path, "title")


def test_a_script_can_be_edited_and_brought_back_again_and_again(path: Path) -> None:
    script = write_both(path)
    for seed in range(3):
        edit(script, f"seed: int = {seed}", f"seed: int = {seed + 1}")
        assert write_notebook(script, path, force=False, dry_run=False)
        assert not write_notebook(script, path, force=False, dry_run=False)
    assert "seed: int = 3" in source_of(path, "parameters")


def test_a_notebook_that_has_changed_since_is_not_overwritten(path: Path) -> None:
    script = write_both(path)
    edit(path, "With *words*.", "With other words.")
    edit(script, "seed: int = 0", "seed: int = 5")
    before = path.read_bytes(), script.read_bytes()
    with pytest.raises(ConfigError, match=r"notebook\.changed_since"):
        write_notebook(script, path, force=False, dry_run=False)
    assert (path.read_bytes(), script.read_bytes()) == before
    assert write_notebook(script, path, force=True, dry_run=False)
    assert "With *words*." in source_of(path, "title")


def test_running_the_notebook_is_no_change(path: Path) -> None:
    script = write_both(path)
    content = read(path)
    content["cells"][3]["execution_count"] = 1
    content["metadata"]["papermill"] = {"duration": 1.0}
    saved(path, content)
    edit(script, "seed: int = 0", "seed: int = 5")
    assert write_notebook(script, path, force=False, dry_run=False)


def test_a_script_with_edits_is_not_overwritten(path: Path) -> None:
    script = write_both(path)
    assert not write_script(NotebookFile.read(path), script, force=False, dry_run=False)
    edit(script, "seed: int = 0", "seed: int = 5")
    before = script.read_bytes()
    with pytest.raises(ConfigError, match=r"notebook\.script_differs"):
        write_script(NotebookFile.read(path), script, force=False, dry_run=False)
    assert script.read_bytes() == before
    assert write_script(NotebookFile.read(path), script, force=True, dry_run=False)


def test_another_place_doesnt_take_the_notebooks_own(path: Path, tmp_path: Path) -> None:
    script = write_both(path)
    edit(script, "seed: int = 0", "seed: int = 5")
    assert write_notebook(script, tmp_path / "other.ipynb", force=False, dry_run=False)
    assert write_notebook(script, path, force=False, dry_run=False)


def test_a_script_written_by_hand_becomes_a_clean_notebook(tmp_path: Path) -> None:
    script = tmp_path / "hand.py"
    script.write_text(
        "# %% [markdown]\n# # By hand\n\n# %% tags=['parameters']\nseed = 1\n\n"
        "# %% [markdown]\n# It prints.\n\n# %%\nprint(seed)\n"
    )
    path = tmp_path / "hand.ipynb"
    assert write_notebook(script, path, force=False, dry_run=False)
    assert lint_notebook(path) == []
    assert [cell["metadata"].get("tags") for cell in read(path)["cells"]][1] == ["parameters"]
    assert not write_notebook(script, path, force=False, dry_run=False)


def test_a_cell_copied_in_the_script_gets_an_id_of_its_own(path: Path) -> None:
    script = write_both(path)
    part = '\n# %% id="show" tags=["keep"]\n# again\ncase\n'
    script.write_text(script.read_text() + part)
    write_notebook(script, path, force=False, dry_run=False)
    ids = [cell["id"] for cell in read(path)["cells"]]
    assert ids[:-1] == ["title", "parameters", "about-case", "load", "show"]
    assert len({*ids}) == 6


def test_without_ids_a_notebook_is_no_script(tmp_path: Path) -> None:
    content = lesson()
    content["cells"][2].pop("id")
    path = saved(tmp_path / "n.ipynb", content)
    with pytest.raises(ConfigError, match=r"notebook\.cell_id") as caught:
        write_both(path)
    assert "nb lint --fix" in caught.value.problems[0].fix


def test_a_cell_that_would_come_back_as_two_is_named(tmp_path: Path) -> None:
    content = notebook(prose("hello", "a"), code("x = 1\n# %%\ny = 2", "b"))
    with pytest.raises(ConfigError) as caught:
        write_both(saved(tmp_path / "n.ipynb", content))
    (problem,) = caught.value.problems
    assert problem.code == "notebook.no_round_trip"
    assert problem.where.endswith("n.ipynb: cell 2")
    assert not (tmp_path / "n.py").exists()


def test_dry_run_writes_nothing(path: Path, tmp_path: Path) -> None:
    script = path.with_suffix(".py")
    assert write_script(NotebookFile.read(path), script, force=False, dry_run=True)
    assert not script.exists()
    write_both(path)
    edit(script, "seed: int = 0", "seed: int = 5")
    before = path.read_bytes(), script.read_bytes()
    assert write_notebook(script, path, force=False, dry_run=True)
    assert (path.read_bytes(), script.read_bytes()) == before


def test_the_fingerprint_sees_what_a_script_holds() -> None:
    content = lesson()
    run = copy.deepcopy(content)
    run["cells"][1]["execution_count"] = 5
    assert fingerprint(run) == fingerprint(content)
    for change in ({"id": "x"}, {"source": ["y"]}, {"metadata": {}}, {"cell_type": "raw"}):
        other = copy.deepcopy(content)
        other["cells"][1] |= change
        assert fingerprint(other) != fingerprint(content)


def test_without_jupytext_the_error_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jupytext", None)
    with pytest.raises(MachineError) as caught:
        write_both(path)
    assert caught.value.problems[0].fix == 'pip install "tunebook[jupytext]"'
