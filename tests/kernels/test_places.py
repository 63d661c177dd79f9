"""Where servers lie: a folder that is nobody else's, one lock for each server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunebook.kernels.client import ask_all, begin_warming, find_place, fork_kernel
from tunebook.kernels.places import FOLDER_VARIABLE, NotWarm, Place, private_folder
from tunebook.kernels.world import server_environment, server_key

COMMAND = ["python", "-m", "ipykernel_launcher", "-f", "x.json"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "k"))
    return tmp_path / "k"


def test_the_folder_is_for_its_user_alone(folder: Path) -> None:
    assert private_folder() == folder
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
def test_a_folder_that_others_could_enter_is_refused(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(NotWarm, match=f"open to other users .mode {mode:o}"):
        private_folder()


def test_a_link_in_place_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotWarm, match="not a folder"):
        private_folder()


def test_a_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(NotWarm, match="belongs to another user"):
        private_folder()


@pytest.mark.parametrize("place", ["/proc/no", "/dev/null/no", "/tmp/a/b/c/d/e"])
def test_a_folder_that_cannot_be_made_is_a_reason(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, place)
    with pytest.raises(NotWarm, match=place):
        fork_kernel(COMMAND, {}, ".", (1, 2))
    begin_warming("python", {})  # says nothing, does nothing


def test_a_full_disk_is_a_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(NotWarm, match="No space left"):
        private_folder()


def test_a_path_too_long_for_a_socket_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / ("ü" * 50)))
    with pytest.raises(NotWarm, match="too long a path"):
        find_place("python", {})


def test_another_system_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(NotWarm, match="not safe on darwin"):
        fork_kernel(COMMAND, {}, ".", (1, 2))
    with pytest.raises(NotWarm, match="not safe on darwin"):
        ask_all("status")


@pytest.mark.parametrize(
    "command", [["python", "-m", "other"], ["R", "--slave"], ["python"], ["python", "-X", "dev"]]
)
def test_another_kernel_is_a_reason(command: list[str], folder: Path) -> None:
    with pytest.raises(NotWarm, match="the kernel's command"):
        fork_kernel(command, {}, ".", (1, 2))


def test_one_holds_the_lock(tmp_path: Path) -> None:
    place = Place(tmp_path, "a")
    assert not place.is_locked()
    first = place.lock()
    assert first is not None
    assert place.is_locked()
    assert place.lock() is None
    place.remove()
    os.close(first)
    assert not place.is_locked()
    assert [*tmp_path.iterdir()] == []


def test_a_lock_that_is_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, "a")
    real, removed = os.open, []

    def open_and_lose(path: object, *given: int) -> int:
        file = real(path, *given)  # type: ignore[arg-type]
        if not removed:
            removed.append(path)
            place.lock_file.unlink()
        return file

    monkeypatch.setattr(os, "open", open_and_lose)
    assert place.lock() is not None
    assert place.lock_file.exists()
    assert place.lock() is None


BASE = {"HOME": "/h", "PATH": "/bin", "LANG": "C"}


@pytest.mark.parametrize(
    "name",
    [
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "KMP_AFFINITY"),
        *("HF_HOME", "TRANSFORMERS_OFFLINE", "TORCH_HOME", "PYTHONHASHSEED", "PYTHONPATH"),
        *("LD_PRELOAD", "MPLBACKEND", "TOKENIZERS_PARALLELISM", "LC_ALL", "XDG_CACHE_HOME"),
        "FSSPEC_S3_ENDPOINT_URL",
    ],
)
def test_what_libraries_read_on_import_has_a_server_of_its_own(name: str) -> None:
    keys = {server_key("p", BASE), server_key("p", {**BASE, name: "/1"})}
    keys |= {server_key("p", {**BASE, name: "/2"}), server_key("q", BASE)}
    assert len(keys) == 4


def test_what_changes_from_run_to_run_has_not() -> None:
    of_run = {"TUNEBOOK_RUN_DIR": "/r", "JPY_PARENT_PID": "7", "PWD": "/x", "MINE": "1"}
    assert server_key("p", {**BASE, **of_run}) == server_key("p", BASE)
    assert server_environment({**BASE, **of_run}) == {**BASE, "PWD": "/x", "MINE": "1"}


def test_priority_and_cores_of_this_process_have(monkeypatch: pytest.MonkeyPatch) -> None:
    before = server_key("p", BASE)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {63})
    assert server_key("p", BASE) != before
    monkeypatch.undo()
    monkeypatch.setattr(os, "getpriority", lambda *_: 19)
    assert server_key("p", BASE) != before


@pytest.mark.parametrize("given", [".", "/a:b", "/a:", ":/a"])
def test_a_relative_python_path_means_something_else_in_a_server(given: str) -> None:
    with pytest.raises(NotWarm, match="relative"):
        server_key("p", {**BASE, "PYTHONPATH": given})
