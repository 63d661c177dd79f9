"""Nobody starts a run that somebody works on, and a dead owner hinders nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tunebook.errors import ConfigError
from tunebook.ownership import LAUNCHES, RUNS, SILENT_SECONDS, check_free, owned, owner


def claim(folder: Path, **changes: Any) -> Path:
    """Leaves the file of an owner like this process, but for `changes`."""
    with owned(folder, RUNS):
        content = json.loads((folder / RUNS).read_text())
    (folder / RUNS).write_text(json.dumps(content | changes))
    return folder / RUNS


def test_one_at_a_time(tmp_path: Path) -> None:
    with owned(tmp_path, RUNS):
        with pytest.raises(ConfigError) as caught, owned(tmp_path, RUNS):
            pass
        assert caught.value.problems[0].code == "run.still_running"
        assert f"process {os.getpid()}" in caught.value.problems[0].found
        with owned(tmp_path, LAUNCHES):  # who launches a run doesn't do its work
            pass
        with pytest.raises(ConfigError):
            check_free(tmp_path)
    check_free(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_owns_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tunebook import ownership as o; import os\n"
        "with o.owned(Path(sys.argv[1]), o.RUNS): os.kill(os.getpid(), 9)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its remains are still there
    assert (tmp_path / RUNS).exists()
    assert owner(tmp_path) is None
    with owned(tmp_path, RUNS):
        assert owner(tmp_path) is not None
    process.wait()


def test_its_number_alone_says_nothing(tmp_path: Path) -> None:
    claim(tmp_path, began=1.0)
    assert owner(tmp_path) is None
    claim(tmp_path)
    assert owner(tmp_path) is not None


def test_an_owner_on_another_machine_lives_while_it_beats(tmp_path: Path) -> None:
    file = claim(tmp_path, machine="0" * 16)
    with pytest.raises(ConfigError) as caught:
        check_free(tmp_path)
    assert "another machine" in caught.value.problems[0].found
    long_ago = time.time() - SILENT_SECONDS - 1
    os.utime(file, (long_ago, long_ago))
    check_free(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [RUNS]


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"pid": "x"}'])
def test_a_damaged_file_owns_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / RUNS).write_text(content)
    check_free(tmp_path)
    with owned(tmp_path, RUNS):
        assert owner(tmp_path) is not None
