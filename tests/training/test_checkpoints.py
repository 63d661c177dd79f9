"""Checkpoints: whole or not at all, checked before use, few, and of no influence on a training."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from tunebook.config import CheckpointConfig
from tunebook.errors import ConfigError, DataError, TrainingError
from tunebook.events import EventLog, StepTaken
from tunebook.host import PluginHost
from tunebook.records import RunDirectory
from tunebook.runner import execute, resume_run
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.training import checkpoints as module
from tunebook.training.checkpoints import MANIFEST, STATE, TENSORS, Checkpoints, Snapshot

HOST = PluginHost()


def opened(folder: Path, **config: Any) -> tuple[Checkpoints, list[str]]:
    """Returns checkpoints that go by steps, and what they warn of."""
    warned: list[str] = []
    settings = CheckpointConfig(**{"every_steps": 1} | config)
    return Checkpoints(folder, settings, EventLog(None), warned.append), warned


def snapshot(number: int, size: int = 4) -> Snapshot:
    return Snapshot({"model:weight": torch.full((size,), float(number))}, {"number": number})


def written(folder: Path, count: int = 3, **config: Any) -> list[str]:
    """Writes checkpoints after steps 1, 2, …; returns what was warned of."""
    store, warned = opened(folder, **config)
    place = store.next_training("training")
    for step in range(1, count + 1):
        place.write(step, snapshot(step))
    return warned


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_are_kept(tmp_path: Path) -> None:
    assert written(tmp_path, 5) == []
    assert names(tmp_path) == ["000004", "000005"]
    newest = opened(tmp_path)[0].open()
    assert newest is not None
    assert (newest.training, newest.step, newest.done) == ((0, "training"), 5, False)
    assert newest.tensors()["model:weight"].tolist() == [5.0] * 4


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "empty": lambda file: file.write_bytes(b""),
    "missing": lambda file: file.unlink(),
}


@pytest.mark.parametrize("name", [TENSORS, STATE, MANIFEST])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_passed_over_and_told(tmp_path: Path, damage: str, name: str) -> None:
    written(tmp_path)
    DAMAGES[damage](tmp_path / "000003" / name)
    store, _ = opened(tmp_path)
    newest = store.open()
    assert newest is not None
    assert newest.step == 2
    assert len(store.damaged) == 1
    assert store.damaged[0].startswith("checkpoint 000003 is damaged and not used: ")
    found = store.next_training("training").found
    assert found is not None
    assert found.step == 2


def test_where_all_are_damaged_there_is_none(tmp_path: Path) -> None:
    written(tmp_path)
    for file in tmp_path.glob(f"*/{TENSORS}"):
        flip(file)
    store, _ = opened(tmp_path)
    assert store.open() is None
    assert len(store.damaged) == 2


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "000003").rename(tmp_path / ".000003.tmp")
    store, warned = opened(tmp_path)
    newest = store.open()
    assert newest is not None
    assert (newest.step, warned, names(tmp_path)) == (2, [], ["000002"])


def test_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "000003" / MANIFEST).write_text(json.dumps({"format": 99, "files": {}}))
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path)[0].open()
    assert caught.value.problems[0].code == "checkpoint.newer"


def test_each_training_finds_its_own(tmp_path: Path) -> None:
    store, _ = opened(tmp_path)
    store.next_training("contrastive").write_end(9, 1.0, lambda: snapshot(9))
    store.next_training("training").write(3, snapshot(3))
    again, _ = opened(tmp_path)
    again.open()
    first, second = again.next_training("contrastive"), again.next_training("training")
    assert first.found is not None
    assert second.found is not None
    assert (first.found.done, first.found.step, first.repeated) == (True, 9, True)
    assert (second.found.done, second.found.step, second.repeated) == (False, 3, False)


def test_they_take_no_more_room_than_they_may(tmp_path: Path) -> None:
    """An older one goes for a newer one, but the last whole one never goes beforehand."""
    limit = 30_000 / 2**30
    store, warned = opened(tmp_path, limit_gb=limit, keep=10)
    place = store.next_training("training")
    for step in range(1, 9):
        place.write(step, snapshot(step, 2000))
        taken = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
        assert taken <= 30_000
    assert warned == []
    assert names(tmp_path)[-1] == "000008"
    place.write(9, snapshot(9, 20_000))
    assert warned == ["no checkpoint: it would be above checkpoints.limit_gb"]
    assert names(tmp_path) != []


def test_they_are_not_written_more_often_than_they_are_worth(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, every_steps=None, every_seconds=10)
    place = store.next_training("training")
    place._last -= 11
    assert place.due(1, lambda: 1000)
    assert not place.due(1, lambda: 10**9)
    place.cost = 0.2
    assert not place.due(1, lambda: 1000)
    place._last -= 10
    assert place.due(1, lambda: 1000)


REFUSALS = pytest.mark.parametrize("refusal", [errno.ENOSPC, errno.EROFS, errno.EACCES])
"""The disk is full, the folder is read-only, or another user's."""


@REFUSALS
def test_a_full_disk_costs_a_checkpoint_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    def full(*_: Any) -> None:
        raise OSError(refusal, os.strerror(refusal))

    store, warned = opened(tmp_path)
    place = store.next_training("training")
    place.write(1, snapshot(1))
    with monkeypatch.context() as patched:
        patched.setattr(module, "save_file", full)
        place.write(2, snapshot(2))
    assert os.strerror(refusal) in warned[0]
    assert names(tmp_path) == ["000001"]
    place.write(3, snapshot(3))
    assert names(tmp_path) == ["000001", "000002"]


# ---- whole runs ----


def case(folder: Path, **changes: Any) -> Any:
    content = tiny.case_content(folder)
    content["training"]["epochs"] = 3
    content["metrics"] = ["accuracy", "f1"]
    content["checkpoints"] = {"every_steps": 4}
    content["evaluation"] = {"bootstrap": {"resamples": 100}, "baselines": []}
    return CaseSchema(HOST).validate(content | changes)


class Interruption:
    """Interrupts a run at a step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, event: Any) -> None:
        if isinstance(event, StepTaken) and event.step == self.step:
            self.step = -1
            raise KeyboardInterrupt


@pytest.fixture
def stopped(tiny_bert: Path, tmp_path: Path) -> RunDirectory:
    """A run that was stopped at step 11 of 24, with checkpoints of steps 4 and 8."""
    directory = RunDirectory.create(tmp_path / "runs", "tiny", "full")
    with pytest.raises(Exception, match=r"run\.stopped"):
        execute(directory, case(tiny_bert), HOST, [Interruption(11)], pictures=False)
    assert {path.name for path in directory.checkpoints.glob("0*")} == {"000001", "000002"}
    return directory


def test_a_stopped_run_goes_on(stopped: RunDirectory) -> None:
    run = resume_run(stopped, HOST, listeners=[])
    assert run.record.status == "succeeded"
    assert run.record.error is None
    (resumption,) = run.record.resumed
    assert (resumption.stage, resumption.step) == ("training", 8)
    steps = [event["step"] for event in run.events if event["type"] == "step"]
    assert steps == [*range(1, 25)]
    lines = stopped.events_file.read_text().splitlines()
    raw = [json.loads(line) for line in lines]
    assert len([event for event in raw if event["type"] == "step"]) == 24 + 11 - 8
    assert not stopped.checkpoints.exists()


def test_a_run_that_has_succeeded_is_not_run_again(stopped: RunDirectory) -> None:
    resume_run(stopped, HOST, listeners=[])
    before = {path: path.stat().st_mtime_ns for path in stopped.path.rglob("*")}
    assert resume_run(stopped, HOST, listeners=[]).record.status == "succeeded"
    assert {path: path.stat().st_mtime_ns for path in stopped.path.rglob("*")} == before


def test_a_run_whose_checkpoints_are_all_damaged_starts_anew_and_says_so(
    stopped: RunDirectory,
) -> None:
    for file in stopped.checkpoints.glob(f"0*/{TENSORS}"):
        flip(file)
    run = resume_run(stopped, HOST, listeners=[])
    assert [(each.stage, each.step) for each in run.record.resumed] == [("", 0)]
    assert len([text for text in run.record.warnings if "is damaged" in text]) == 2
    assert [e["step"] for e in run.events if e["type"] == "step"] == [*range(1, 25)]


def test_other_data_are_an_error(stopped: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    basis = json.loads((stopped.checkpoints / "basis.json").read_text())
    basis["data"] = {"": "0" * 64}
    (stopped.checkpoints / "basis.json").write_text(json.dumps(basis))
    with pytest.raises(DataError) as caught:
        resume_run(stopped, HOST, listeners=[])
    assert caught.value.problems[0].code == "resume.data_changed"


@pytest.mark.parametrize(
    ("fact", "value", "told"),
    [
        ("code", "0" * 64, "code changed"),
        ("packages", {"torch": "1.0"}, "torch from '1.0' to"),
        ("machine", {"threads": 99}, "threads from 99 to"),
    ],
)
def test_what_breaks_the_promise_is_a_warning_in_the_record(
    stopped: RunDirectory, fact: str, value: Any, told: str
) -> None:
    basis = json.loads((stopped.checkpoints / "basis.json").read_text())
    basis[fact] = basis[fact] | value if isinstance(value, dict) else value
    (stopped.checkpoints / "basis.json").write_text(json.dumps(basis))
    run = resume_run(stopped, HOST, listeners=[])
    assert any(told in text and "may differ" in text for text in run.record.warnings)


def test_another_case_is_an_error(stopped: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunebook.resumption import RESUME
    from tunebook.runner import run_case

    monkeypatch.setenv("TUNEBOOK_RUN_DIR", str(stopped.path))
    monkeypatch.setenv(RESUME, "1")
    content = stopped.read_case() | {"seed": 3}
    with pytest.raises(ConfigError) as caught:
        run_case(CaseSchema(HOST).validate(content), HOST, listeners=[])
    assert [(p.code, p.where) for p in caught.value.problems] == [("resume.case_changed", "seed")]
    monkeypatch.setenv(RESUME, "1")
    run = run_case(CaseSchema(HOST).validate(stopped.read_case()), HOST, listeners=[])
    assert run.id == stopped.run_id
    assert RESUME not in os.environ


def test_a_setting_that_came_later_is_no_other_case(stopped: RunDirectory) -> None:
    content = stopped.read_case()
    del content["evaluation"]["split"]
    stopped.case_file.write_text(json.dumps(content))
    assert resume_run(stopped, HOST, listeners=[]).record.status == "succeeded"


def test_a_damaged_case_is_an_error(stopped: RunDirectory) -> None:
    stopped.case_file.write_text("{")
    with pytest.raises(ConfigError) as caught:
        resume_run(stopped, HOST, listeners=[])
    assert caught.value.problems[0].code == "record.unreadable"


def test_a_record_of_a_newer_version_is_refused_and_left(stopped: RunDirectory) -> None:
    content = json.loads(stopped.record_file.read_text()) | {"schema_version": 99}
    stopped.record_file.write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        resume_run(stopped, HOST, listeners=[])
    assert caught.value.problems[0].code == "record.newer"
    assert json.loads(stopped.record_file.read_text()) == content


def test_a_checkpoint_of_another_model_is_an_error(stopped: RunDirectory) -> None:
    """Such as after the code of a strategy has changed."""
    from safetensors.torch import load_file, save_file

    from tunebook.cache import file_sha256

    for folder in stopped.checkpoints.glob("0*"):
        tensors = load_file(folder / TENSORS)
        name = next(name for name in tensors if name.startswith("model:"))
        tensors["model:another"] = tensors.pop(name)
        save_file(tensors, folder / TENSORS)
        manifest = json.loads((folder / MANIFEST).read_text())
        manifest["files"][TENSORS] = file_sha256(folder / TENSORS)
        (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(TrainingError) as caught:
        resume_run(stopped, HOST, listeners=[])
    assert caught.value.problems[0].code == "checkpoint.unsuitable"


def test_by_default_a_short_run_writes_none_while_it_trains(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    monkeypatch.setattr(module.TrainingCheckpoints, "write", lambda _, step, __: steps.append(step))
    directory = RunDirectory.create(tmp_path, "tiny", "full")
    content = case(tiny_bert).to_json_dict() | {"checkpoints": {}}
    run: Run = execute(directory, CaseSchema(HOST).validate(content), HOST, [], pictures=False)
    assert run.record.status == "succeeded"
    assert steps == []


@REFUSALS
def test_a_disk_without_room_for_checkpoints_doesnt_end_the_run(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    def full(*_: Any) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(module, "save_file", full)
    directory = RunDirectory.create(tmp_path, "tiny", "full")
    run = execute(directory, case(tiny_bert), HOST, [], pictures=False)
    assert run.record.status == "succeeded"
    assert [text for text in run.record.warnings if os.strerror(refusal) in text] != []
