"""Files of an attempt come back whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

from tunebook.errors import MachineError
from tunebook_plugins.executors.dask import shipping, worker
from tunebook_plugins.executors.dask.shipping import Damaged, fetch, ship


@pytest.fixture
def desk(tmp_path: Path) -> worker.Desk:
    """An attempt on a worker, which is this process."""
    (tmp_path / "there" / "run").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    desk = worker.DESKS["token"] = worker.Desk(tmp_path / "there" / "run", own=True)
    return desk


def call(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def test_a_folder_goes_there_and_back_in_pieces(
    desk: worker.Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "PIECE_BYTES", 7)
    sizes = []

    def counted(function: Any, *arguments: Any) -> Any:
        answer = function(*arguments)
        sizes.extend(len(each) for each in (*arguments, answer) if isinstance(each, bytes))
        return answer

    here = tmp_path / "here"
    (here / "record.json").write_text("running")
    (here / "gone.txt").write_text("x" * 50)
    (here / "empty").touch()
    sent = ship(counted, "token", here)
    assert {path: size for path, (size, _) in sent.items()} == {
        "empty": 0,
        "gone.txt": 50,
        "record.json": 7,
    }
    (desk.folder / "gone.txt").unlink()
    (desk.folder / "record.json").write_text("succeeded")
    (desk.folder / "model").mkdir()
    (desk.folder / "model" / "weights {x}").write_bytes(bytes(range(100)))
    fetch(counted, "token", here, sent, worker.manifest(desk.folder))
    assert worker.manifest(here) == worker.manifest(desk.folder)
    assert len(sizes) == 8 + 1 + 1 + 15 + 2
    assert max(sizes) == 7
    assert [each.name for each in tmp_path.iterdir()].count("here") == 1
    assert {each.name for each in tmp_path.iterdir()} == {"here", "there"}
    worker.discard("token")
    assert not desk.folder.exists()


def torn(function: Any, *arguments: Any) -> Any:
    if function is worker.get_piece and arguments[1] == "z":
        raise ConnectionError("the worker is gone")
    return function(*arguments)


def changed(function: Any, *arguments: Any) -> Any:
    answer = function(*arguments)
    return b"other" if function is worker.get_piece and arguments[1] == "z" else answer


@pytest.mark.parametrize(("call", "error"), [(torn, MachineError), (changed, Damaged)])
def test_what_does_not_arrive_whole_leaves_the_folder_as_it_was(
    desk: worker.Desk, tmp_path: Path, call: Any, error: type[Exception]
) -> None:
    here = tmp_path / "here"
    (here / "record.json").write_text("running")
    for name in ("record.json", "a", "z"):
        (desk.folder / name).write_text("after")
    with pytest.raises(error):
        fetch(call, "token", here, {}, worker.manifest(desk.folder))
    assert {each.name: each.read_text() for each in here.iterdir()} == {"record.json": "running"}
    assert {each.name for each in tmp_path.iterdir()} == {"here", "there"}


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "a/../../outside"])
def test_no_file_is_written_outside_the_folder(tmp_path: Path, path: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with pytest.raises(Damaged, match="outside the folder"):
        fetch(call, "token", here, {}, {path: (1, "0")})
    assert [*here.iterdir()] == []


def test_the_record_is_moved_in_last(
    desk: worker.Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        moved.append(Path(target).name)
        return replace(self, target)

    for name in ("record.json", "z", "a"):
        (desk.folder / name).write_text("x")
    monkeypatch.setattr(Path, "replace", noted)
    fetch(call, "token", tmp_path / "here", {}, worker.manifest(desk.folder))
    assert moved == ["a", "z", "record.json"]
