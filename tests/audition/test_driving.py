"""Auditions of real trainings: from rung to rung, within a budget, killed and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import tiny
import tunebook as tb
from plugin_sources import STRATEGY
from tunebook.audition.driving import carry_out
from tunebook.audition.folder import read_audition
from tunebook.audition.halving import Rung
from tunebook.audition.opening import open_audition, write_audition
from tunebook.audition.plan import make_audition_plan
from tunebook.data.loading import load_dataset
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.ownership import AUDITIONS, owned
from tunebook.records import find_runs

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]
CANDIDATES = [{"strategy": "full"}, {"strategy": "freeze"}, {"strategy": "feature_extraction"}]


def write_case(folder: Path, bert: Path) -> str:
    (folder / "tiny.json").write_text(json.dumps(tiny.case_content(bert)))
    return str(folder / "tiny.json")


@pytest.fixture
def case(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_case(tmp_path, tiny_bert)


def command(case: str, *arguments: str) -> list[str]:
    names = ",".join(str(each["strategy"]) for each in CANDIDATES)
    words = ["audition", case, "--grid", f"strategy={names}", "--first-rows", "8", "--seeds", "1"]
    return [*COMMAND, *words, *arguments, "--json"]


def answer(case: str, *arguments: str, **options: Any) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        command(case, *arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def unbroken(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an audition says that nothing has disturbed; the workers of xdist share one."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "unbroken-audition"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            code, content = answer(write_case(folder, tiny_bert), "--budget", "5m", cwd=folder)
            assert code == 0
            (folder / "answer.json").write_text(json.dumps(content))
    found: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return found


def scores(content: dict[str, Any]) -> dict[tuple[int, str], Any]:
    return {
        (rung["rows"], each["name"]): each["score"]
        for rung in content["rungs"]
        for each in rung["candidates"]
    }


def test_half_go_on_to_all_rows(unbroken: dict[str, Any]) -> None:
    first, last = unbroken["rungs"]
    assert [first["rows"], last["rows"], unbroken["all_rows"]] == [8, 126, 126]
    assert len(first["candidates"]) == 3
    ahead = [each["name"] for each in first["candidates"]][:2]
    assert {each["name"] for each in last["candidates"]} == {*ahead}
    assert unbroken["winner"] == {"strategy": last["candidates"][0]["name"]}
    assert unbroken["ended"]
    assert 0 < unbroken["spent_seconds"] < 300
    assert last["predicted_seconds"] > 0


def test_no_test_row_is_seen(unbroken: dict[str, Any]) -> None:
    folder = Path(unbroken["path"])
    test = {*load_dataset(tb.load_case(unbroken["case"]), PluginHost()).split("test")["id"]}
    assert len(test) == 27
    runs = [tb.load_run(run.path) for run in find_runs(folder)]
    assert len(runs) == 5
    for run in runs:
        assert run.report.split == "validation"
        assert not test & {*run.saved(run.place.predictions)["id"]}
        assert run.record.seed == 0


def test_the_same_again_runs_nothing(unbroken: dict[str, Any]) -> None:
    folder = Path(unbroken["case"]).parent
    code, again = answer(unbroken["case"], "--budget", "5m", cwd=folder)
    assert code == 0
    assert again["ran"] == 0
    assert again["audition"] == unbroken["audition"]
    assert scores(again) == scores(unbroken)
    assert again["spent_seconds"] == unbroken["spent_seconds"]


def test_a_budget_that_is_too_small_is_said_and_a_larger_one_goes_on(case: str) -> None:
    code, content = answer(case, "--budget", "2s")
    assert code == 5
    assert content["error"]["problems"][0]["code"] == "audition.budget"
    assert content["winner"] is None
    assert content["ended"]
    code, later = answer(case, "--budget", "5m")
    assert code == 0
    assert later["audition"] == content["audition"]
    assert later["winner"] is not None
    assert later["budget_seconds"] == 300
    assert [rung["rows"] for rung in later["rungs"]] == [8, 126]


def test_killed_again_and_again_it_comes_to_the_same(case: str, unbroken: dict[str, Any]) -> None:
    for seconds in (5, 12):
        process = subprocess.Popen(
            command(case, "--budget", "5m"), stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    code, content = answer(case, "--budget", "5m")
    assert code == 0
    assert scores(content) == scores(unbroken)
    assert len(scores(content)) == 5
    assert content["winner"] == unbroken["winner"]


def test_a_person_stops_it_and_resume_goes_on(case: str) -> None:
    process = subprocess.Popen(
        command(case, "--budget", "5m", "--first-rows", "126"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert (first["event"], first["what"], first["rows"]) == ("rung", "begins", 126)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=120)
    content = json.loads(stdout.splitlines()[-1])
    assert process.returncode == 5
    assert content["error"]["problems"][0]["code"] == "audition.stopped"
    done = subprocess.run(
        [*COMMAND, "resume", content["audition"], "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["winner"] is not None


def test_who_fails_is_out_and_the_others_go_on(case: str, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(STRATEGY.format(name="broken", cls="Broken"))
    host = PluginHost(files=[plugin])
    candidates = [*CANDIDATES[1:], {"strategy": "broken"}]
    audition = tb.run_audition(case, candidates, seeds=1, first_rows=126, budget=300, host=host)
    (rung,) = audition.rungs
    assert {*rung.rows} == {"freeze", "feature_extraction"}
    assert "NotImplementedError" in rung.failed["broken"]
    assert audition.winner in CANDIDATES
    standings = audition.standings().set_index("candidate")["outcome"]
    assert standings["broken"] == rung.failed["broken"]


def test_what_another_process_has_done_meanwhile_is_not_forgotten(
    case: str, tmp_path: Path
) -> None:
    host = PluginHost()
    content = {"case": case, "candidates": CANDIDATES[1:], "seeds": 1, "first_rows": 126}
    opened = open_audition(host, make_audition_plan(host, content), tmp_path / "runs")
    done = tb.run_audition(case, CANDIDATES[1:], seeds=1, first_rows=126)
    late = carry_out(host, opened)
    assert late.ran == 0
    assert late.audition.file == done.file


def test_a_copy_of_its_folder_is_left_alone(case: str, tmp_path: Path) -> None:
    """A backup holds the same runs, so that it would suit as the place of the next rung."""
    content = {"case": case, "candidates": CANDIDATES, "seeds": 1, "first_rows": 8}
    plan = make_audition_plan(PluginHost(), content)
    opened = open_audition(PluginHost(), plan, tmp_path / "runs")
    write_audition(opened)
    copy = opened.folder.path.with_name("backup")
    shutil.copytree(opened.folder.path, copy)
    before = (copy / "plan.json").read_text()
    further = opened.file.with_last(done=True).with_rung(Rung(16, ("full", "freeze"), 1))
    further.write(opened.folder)
    again = open_audition(PluginHost(), plan, tmp_path / "runs")
    write_audition(again)
    assert again.folder == opened.folder
    assert len(opened.folder.read_plan().entries) == 5
    assert (copy / "plan.json").read_text() == before


def test_one_process_at_a_time(case: str, tmp_path: Path) -> None:
    host = PluginHost()
    content = {"case": case, "candidates": CANDIDATES, "seeds": 1, "first_rows": 8}
    opened = open_audition(host, make_audition_plan(host, content), tmp_path / "runs")
    opened.folder.path.mkdir(parents=True)
    with owned(opened.folder.path, AUDITIONS), pytest.raises(ConfigError, match="still_running"):
        carry_out(host, opened)
    assert not opened.folder.plan_file.exists()
    with pytest.raises(ConfigError, match=r"audition\.none"):
        read_audition(opened.folder)
