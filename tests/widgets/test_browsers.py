"""What one can look through: data with what was left out, mistakes, runs side by side, batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
import tunebook as tb
from example_audition import save_audition
from example_batch import add_run, regression, save
from tunebook.audition.folder import read_audition
from tunebook.batch.folder import BatchLog
from tunebook.batch.states import Change
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.ownership import AUDITIONS, owned
from tunebook.records import RunDirectory
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.widgets.audition_view import AuditionView
from tunebook.widgets.batch_view import BatchView
from tunebook.widgets.browse import VIEWS
from tunebook.widgets.data_browser import DataBrowser
from tunebook.widgets.error_browser import ErrorBrowser
from tunebook.widgets.paging import PAGE
from tunebook.widgets.run_comparison import RunComparison
from tunebook.widgets.showing import headless

HOST = PluginHost()


def dataset(folder: Path, **more: Any) -> Any:
    """Returns small data in which one text comes three times and one has no label."""
    rows = tiny.rows()
    again = [rows[0] | {"id": "x"}, rows[0] | {"id": "y", "text": rows[0]["text"].upper()}]
    spoilt = [*again, {"id": "z", "text": "a b", "label": None, "group": "g"}]
    content = tiny.case_content(folder, data={"kind": "memory", "rows": [*rows, *spoilt]}, **more)
    return tb.load_dataset(CaseSchema(HOST).validate(content), HOST)


def finished(folder: Path, **about: Any) -> Run:
    entry = add_run(folder, {"strategy": "full", "seed": 0} | about.pop("parameters", {}), **about)
    assert entry.run is not None
    return Run(entry.run)


def test_each_thing_has_its_view(tiny_bert: Path, tmp_path: Path) -> None:
    run, other = finished(tmp_path), finished(tmp_path, parameters={"seed": 1})
    views = [tb.browse(dataset(tiny_bert)), tb.browse(run), tb.browse([run, other])]
    assert [type(view) for view in views] == [DataBrowser, ErrorBrowser, RunComparison]
    assert len(VIEWS) == 5
    for thing in (7, [], ["last"], [run, "last"]):
        with pytest.raises(ConfigError) as caught:
            tb.browse(thing)  # type: ignore[arg-type]
        assert caught.value.problems[0].code in ("browse.thing", "browse.runs")


def test_data_are_chosen_by_split_label_and_search(tiny_bert: Path) -> None:
    data = dataset(tiny_bert)
    view = DataBrowser(data)
    assert len(view.table.rows) == PAGE
    view.split.value = "test"
    assert {*view.table.rows["split"]} == {"test"}
    view.label.value = data.classes[0]
    assert {*view.table.rows["label"]} == {data.classes[0]}
    view.split.value = view.label.value = "all"
    word = data.rows["text"].iloc[-1].split()[0]
    view.table._search.value = word.upper()
    assert len(view.table.rows)
    assert all(word in text for text in view.table.rows["text"])
    view.table._search.value = "no text has this"
    assert "no rows" in view.still()


def test_a_finding_shows_the_rows_that_were_left_out(tiny_bert: Path) -> None:
    data = dataset(tiny_bert)
    view = DataBrowser(data)
    counts = {finding.code: finding.count for finding in data.findings}
    assert counts["data.duplicates"] == 2
    assert counts["data.empty_label"] == 1
    buttons = [w for w in view.widget.children[1].children if hasattr(w, "click")]
    assert len(buttons) == 2
    for button in buttons:
        button.click()
        code = view.finding.value
        assert len(view.table.rows) == counts[code]
        assert {*view.table.rows["finding"]} == {code}
    assert sum(counts[code] for code in {*data.left_out["finding"]}) == len(data.left_out) == 3


def test_every_row_can_be_leafed_to(tiny_bert: Path) -> None:
    data = dataset(tiny_bert)
    table = DataBrowser(data).table
    seen = [*table.rows["id"]]
    while not table._on.disabled:
        table._on.click()
        seen.extend(table.rows["id"])
    assert seen == [*data.rows["id"]]
    table._back.click()
    last = (len(seen) - 1) // PAGE * PAGE
    assert [*table.rows["id"]] == seen[last - PAGE : last]


def test_a_cell_of_the_confusions_leads_to_its_texts(tmp_path: Path) -> None:
    run = finished(tmp_path)
    view = ErrorBrowser(run)
    wrong = run.saved(run.place.errors)
    assert sum(view.confusions.values()) == len(wrong) > 0
    for (label, predicted), count in view.confusions.items():
        view.choose((label, predicted))
        rows = view.table._found
        assert len(rows) == count
        assert {(label, predicted)} == {*zip(rows["label"], rows["predicted"], strict=True)}
    assert "taken for" in view.still()
    view.choose(None)
    assert len(view.table._found) == len(wrong)


def test_many_classes_make_a_list_and_numbers_have_no_confusions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(tmp_path)
    monkeypatch.setattr("tunebook.widgets.error_browser.SHOWN_CLASSES", 2)
    buttons = ErrorBrowser(run)._list().children
    assert len(buttons) == len(ErrorBrowser(run).confusions)
    assert "→" in buttons[0].description
    number = finished(tmp_path, parameters={"seed": 3}, make_report=regression)
    view = ErrorBrowser(number)
    assert view.confusions == {}
    assert len(view.table.rows) == PAGE


@pytest.fixture(scope="module")
def trained(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two runs of one split, and one of another, all too short to be right."""
    runs = tmp_path_factory.mktemp("runs")
    content = tiny.case_content(tiny_bert)
    content["training"] |= {"epochs": 1, "learning_rate": 1e-4, "precision": "fp32"}
    content["evaluation"] = {"baselines": [], "bootstrap": {"resamples": 100}}
    changes = ({"seed": 0}, {"seed": 1}, {"split": content["split"] | {"seed": 7}})
    cases = [CaseSchema(HOST).validate(content | change) for change in changes]
    return [run_case(case, HOST, runs_dir=runs, listeners=[]) for case in cases]


def test_a_picked_mistake_says_what_it_hangs_on(trained: list[Run], tmp_path: Path) -> None:
    view = ErrorBrowser(trained[0])
    view.table._chosen.value = 1
    row = view.table.rows.iloc[1]
    assert f"P({row['predicted']})" in view._explanation.value
    assert all(f">{word}</span>" in view._explanation.value for word in row["text"].split())
    untrained = ErrorBrowser(finished(tmp_path))
    untrained.table._chosen.value = 0
    assert "the trained model of a run that succeeded" in untrained._explanation.value


def test_runs_side_by_side(trained: list[Run]) -> None:
    first, second, elsewhere = trained
    view = RunComparison(trained)
    assert view.still().count("<svg") == 2
    assert all(run.id[-4:] in view._scores() for run in trained)
    ours, theirs = (run.saved(run.place.predictions) for run in (first, second))
    apart = ours["predicted"].to_numpy() != theirs["predicted"].to_numpy()
    assert len(view.table._found) == apart.sum() > 0
    assert {*view.table._found["who is right"]} <= {"first", "other", "neither"}
    assert "on the same resamples" in view._difference.value
    view.other.value = elsewhere.id
    assert "scored on the same texts" in view._difference.value
    assert view.table._found.empty


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_or_too_many_runs_are_refused(tmp_path: Path, count: int) -> None:
    runs = [finished(tmp_path, parameters={"seed": seed}) for seed in range(count)]
    with pytest.raises(ConfigError, match=f"{count} runs"):
        RunComparison(runs)
    with pytest.raises(ConfigError, match="1 of them different"):
        RunComparison([finished(tmp_path, parameters={"seed": 9})] * 2)


def test_a_batch_shows_how_it_stands_and_what_leads(tmp_path: Path) -> None:
    folder = save(tmp_path, {"full": 2.0, "lora": 0.5})
    view = tb.browse(tb.load_batch(folder.path))
    assert isinstance(view, BatchView)
    shown = view.still()
    assert f"{folder.batch_id}</b>" in shown
    assert "9 of 10" in shown  # one run is still to be done
    assert shown.index("full") < shown.index("lora")
    assert view.going_on
    log = BatchLog(folder)
    waiting = next(e for e in tb.load_batch(folder.path).entries if e.state == "queued")
    log.append(Change(waiting.key, "running", RunDirectory(tmp_path / "gone")))
    log.append(Change(waiting.key, "failed"))
    view.refresh()
    assert "10 of 10" in view.still()
    assert not view.going_on
    view.close()
    assert not view._thread.is_alive()


def test_an_audition_is_followed_from_rung_to_rung(tmp_path: Path) -> None:
    rungs = {256: {"full": 2.0, "lora": 1.0, "ia3": 0.3}, 1000: {"full": 2.0, "lora": 1.0}}
    folder = save_audition(tmp_path, rungs, done=False, ended=False)
    view = tb.browse(tb.load_audition(folder.path))
    assert isinstance(view, AuditionView)
    shown = view.still()
    assert 'aria-label="budget of' in shown
    assert "2 min 00 s of 30 min 00 s" in shown
    assert shown.count("<svg role") == 5
    assert "so far" in shown
    assert not view.going_on  # nobody holds it
    with owned(folder.path, AUDITIONS):
        assert view.going_on  # though no run is under way
    read_audition(folder).with_last(done=True, seconds=90.0).write(folder)
    view.refresh()
    assert "so far" not in view.still()
    assert "Best: full" in view.still()
    assert "2 min 30 s of 30 min 00 s" in view.still()
    view.close()
    assert not view._thread.is_alive()


def test_nobody_looks_outside_of_a_notebook(tiny_bert: Path, capsys: Any) -> None:
    assert headless()
    DataBrowser(dataset(tiny_bert))._ipython_display_()
    assert capsys.readouterr().out  # as IPython shows HTML without a front end
