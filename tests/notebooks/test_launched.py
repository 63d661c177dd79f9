"""Plugin files of a run are found again: where they were, or in the run's own folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plugin_sources import STRATEGY
from tunebook.batch.attempting import Attempting
from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder, BatchPlanFile
from tunebook.batch.job import JOB, Job
from tunebook.batch.plan import BatchLimits
from tunebook.errors import StoppedError
from tunebook.notebooks.launched import Launched
from tunebook.records import RunDirectory, RunRecord


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(STRATEGY.format(cls="Mine", name="mine"))
    return path


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "runs", "tiny", "mine-s0")


def keep(file: Path, run: RunDirectory) -> None:
    run.plugins.mkdir()
    (run.plugins / file.name).write_bytes(file.read_bytes())


def test_a_run_of_the_library_has_the_plugins_in_its_folder(run: RunDirectory, file: Path) -> None:
    assert Launched.of(run) == Launched()
    keep(file, run)
    assert Launched.of(run).plugin_files == (run.plugins / "mine.py",)


def test_a_file_that_is_gone_is_taken_from_the_run(run: RunDirectory, file: Path) -> None:
    Launched.now(None, {}, [file]).keep(run)
    keep(file, run)
    assert Launched.of(run).plugin_files == [file]
    file.write_text("# edited since")
    assert Launched.of(run).changed == [str(file)]
    file.unlink()
    launched = Launched.of(run)
    assert launched.plugin_files == [run.plugins / "mine.py"]
    assert launched.changed == []


def attempting(tmp_path: Path, file: Path) -> Attempting:
    plan = BatchPlanFile("tiny", {}, (), (str(file), str(tmp_path / "gone.py")))
    return Attempting(BatchFolder(tmp_path / "runs/batches/tiny-0"), plan, BatchLimits())


def test_an_attempt_takes_copies_along(tmp_path: Path, file: Path) -> None:
    run, _ = attempting(tmp_path, file)(Entry("k", "tiny", {}), 1)
    job = Job(**json.loads((run.path / JOB).read_text()))
    assert job.plugin_files == ["plugins/mine.py", "plugins/gone.py"]
    assert (run.plugins / "mine.py").read_bytes() == file.read_bytes()
    assert [path.name for path in run.plugins.iterdir()] == ["mine.py"]


def test_an_attempt_that_goes_on_keeps_the_copies_it_began_with(tmp_path: Path, file: Path) -> None:
    attempts = attempting(tmp_path, file)
    run, _ = attempts(Entry("k", "tiny", {}), 1)
    began = file.read_bytes()
    run.write_case({})
    run.write_record(
        RunRecord(run_id=run.run_id, case="tiny", strategy="mine", seed=0, started=0.0)
    )
    Launched().keep(run)
    file.write_text("# edited since")
    stopped = {"type": StoppedError.__name__, "problems": [{"code": "run.stopped"}]}
    again, _ = attempts(Entry("k", "tiny", {}, run=run, error=stopped), 1)
    assert again == run
    assert Job(**json.loads((run.path / JOB).read_text())).mode == "resume"
    assert (run.plugins / "mine.py").read_bytes() == began
