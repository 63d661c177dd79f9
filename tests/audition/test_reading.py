"""What an audition says: who went on, who is best, how sure that is, and what it stands on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import tunebook as tb
from example_audition import BROKEN, save_audition
from tunebook.audition.as_data import as_data
from tunebook.audition.folder import FILE, read_audition
from tunebook.batch.folder import BatchFolder
from tunebook.errors import ConfigError

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "choose_a_strategy.ipynb"
RUNGS = {
    256: {"full": 1.5, "lora": 1.45, "ia3": 0.3, "bitfit": BROKEN},
    1000: {"full": 2.0, "lora": 1.9},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> BatchFolder:
    return save_audition(tmp_path_factory.mktemp("runs"), RUNGS)


@pytest.fixture(scope="module")
def audition(folder: BatchFolder) -> tb.Audition:
    return tb.load_audition(folder.path)


def test_the_best_of_the_last_rung_is_the_choice(audition: tb.Audition) -> None:
    assert audition.winner == {"strategy": "full"}
    assert audition.best is not None
    assert len(audition.best.runs) == 2
    assert [len(rung.rows) for rung in audition.rungs] == [3, 2]


def test_what_became_of_each(audition: tb.Audition) -> None:
    standings = audition.standings().set_index(["rung", "candidate"])["outcome"]
    assert dict(standings[1]) == {
        "full": "goes on",
        "lora": "goes on",
        "ia3": "left",
        "bitfit": "failed: bad",
    }
    assert standings[2]["full"] == "best"


def test_whoever_leaves_though_nobody_could_tell_is_told(tmp_path: Path) -> None:
    folder = save_audition(
        tmp_path, {256: {"full": 1.0, "lora": 1.0, "ia3": 0.97}, 500: {"full": 1.0, "lora": 0.9}}
    )
    first = tb.load_audition(folder.path).rungs[0]
    outcomes = {name: tb.load_audition(folder.path).outcome(first, name) for name in first.rows}
    gone = next(name for name in first.rows if name not in ("full", "lora"))
    assert outcomes[gone] == "left, though not told apart from the best"


def test_its_sentences_claim_what_the_tests_say(audition: tb.Audition) -> None:
    said = " ".join(audition.sentences())
    assert said.startswith("Best: full, validation macro-F1 0.")
    assert ("Not told apart from it: lora" in said) == (audition.equals == ["lora"])
    assert "That is on all training rows; 2 min 00 s of 30 min 00 s were used." in said
    assert "for its score on the test rows, which nothing here has seen" in said


def test_who_was_judged_on_other_texts_is_out_with_the_reason(tmp_path: Path) -> None:
    folder = save_audition(
        tmp_path, {256: {"full": 1.0, "lora": 1.0, "ia3": 3.0}}, elsewhere=("ia3",)
    )
    audition = tb.load_audition(folder.path)
    assert {*audition.rungs[0].rows} == {"full", "lora"}
    assert "scored on other texts" in audition.rungs[0].failed["ia3"]
    assert audition.winner != {"strategy": "ia3"}


def test_a_run_that_was_lost_is_out_once_the_rung_is_done(tmp_path: Path) -> None:
    folder = save_audition(tmp_path, {256: {"full": 1.0, "lora": 1.0, "ia3": BROKEN}})
    log = folder.log_file.read_text().replace('"failed"', '"lost"')
    folder.log_file.write_text(log)
    assert "lost: bad" in tb.load_audition(folder.path).rungs[0].failed["ia3"]
    read_audition(folder).with_last(done=False).write(folder)
    assert tb.load_audition(folder.path).rungs[0].failed == {}  # it may go on


def test_nobody_left_to_compare_is_no_want_of_budget(tmp_path: Path) -> None:
    folder = save_audition(tmp_path, {256: {"full": 1.0, "ia3": BROKEN}})
    said = " ".join(tb.load_audition(folder.path).sentences())
    assert "with nobody to compare" in said
    assert "larger budget" not in said


def test_a_rung_without_a_result_leaves_the_one_before_as_it_was(tmp_path: Path) -> None:
    rungs = {256: {"full": 1.0, "lora": 0.4}, 500: {"full": BROKEN, "lora": BROKEN}}
    audition = tb.load_audition(save_audition(tmp_path, rungs).path)
    assert audition.outcome(audition.rungs[0], "full") == "best"


def test_a_comparison_short_of_all_rows_says_so(tmp_path: Path) -> None:
    folder = save_audition(tmp_path, RUNGS, all_rows=5000)
    said = " ".join(tb.load_audition(folder.path).sentences())
    assert "The case has 5,000 training rows, and the budget was enough to compare on 1,000" in said


def test_a_rung_under_way_decides_nothing(tmp_path: Path) -> None:
    folder = save_audition(tmp_path, RUNGS, done=False, ended=False)
    audition = tb.load_audition(folder.path)
    assert audition.last is audition.rungs[0]
    assert "on 256 training rows" in audition.sentences()[0]
    assert {audition.outcome(audition.rungs[1], name) for name in ("full", "lora")} == {"so far"}


def test_nothing_to_choose_by(tmp_path: Path) -> None:
    folder = save_audition(tmp_path, {256: {"full": 1.0, "lora": 0.5}}, done=False, ended=False)
    audition = tb.load_audition(folder.path)
    assert audition.winner is audition.best is None
    assert audition.sentences() == ["No rung is done yet: there is nothing to choose by."]
    assert as_data(audition)["winner"] is None


def test_it_shows_itself_with_names_escaped_and_intervals_drawn(audition: tb.Audition) -> None:
    shown = audition._repr_html_()
    assert shown.count("<svg role") == 5  # one for each score
    assert "rung 2<br>1,000 rows" in shown
    assert "1 can&#x27;t be tried here" in shown or "1 can't be tried here" in shown
    assert "http" not in shown  # it needs no network
    assert "Audition(" in repr(audition)


def test_programs_get_all_of_it(audition: tb.Audition) -> None:
    content = json.loads(json.dumps(as_data(audition)))
    assert content["split"] == "validation"
    assert [rung["rows"] for rung in content["rungs"]] == [256, 1000]
    (first, _) = content["rungs"]
    assert [each["rank"] for each in first["candidates"]] == [1, 2, 3]
    assert first["candidates"][2]["minus_best"]["high"] < 0
    assert first["failed"] == {"bitfit": "failed: bad"}
    assert content["left_out"] == {"p_tuning": "it doesn't work on an encoder"}


@pytest.mark.slow
def test_the_notebook_reads_an_audition(folder: BatchFolder, tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    line = [sys.executable, "-m", "papermill", str(NOTEBOOK), str(out), "-k", "python3"]
    done = subprocess.run(
        [*line, "-p", "audition", str(folder.path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    code = [c for c in nbformat.read(out, as_version=4).cells if c.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert len(code) == 10  # with the injected parameters
    shown = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    assert shown.count("<svg role") == 5
    assert "Best: full" in "".join(output.get("text", "") for output in outputs)


def test_a_batch_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"audition\.none"):
        tb.load_audition("last", runs_dir=tmp_path)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "audition.damaged"),
        ("[]", "audition.damaged"),
        ('{"schema_version": 1}', "audition.damaged"),
        ('{"schema_version": 99}', "audition.newer"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: str, code: str) -> None:
    folder = save_audition(tmp_path, {256: {"full": 1.0, "lora": 0.5}})
    (folder.path / FILE).write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_audition(folder)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert caught.value.problems[0].fix


def test_the_file_is_read_as_it_was_written(folder: BatchFolder, tmp_path: Path) -> None:
    file = read_audition(folder)
    assert file.spent == 120
    assert file.left == 1680
    copy = BatchFolder(tmp_path)
    file.write(copy)
    assert read_audition(copy) == file
