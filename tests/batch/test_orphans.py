"""What a killed driver has left running is ended: all of its batch, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunebook.batch.orphans import end_orphans, mark_of, processes_of

SLEEP = "import time; time.sleep(600)"
NEST = (
    "import subprocess, sys; "
    f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)"
)
ASK = """
import sys
from pathlib import Path
from tunebook.batch.orphans import end_orphans
print(end_orphans(Path(sys.argv[1])))
"""


def begin(folder: Path, code: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **mark_of(folder)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    made = (tmp_path / "batch", tmp_path / "batch-2")  # one's name begins with the other's
    yield made
    for folder in made:
        end_orphans(folder, grace=1)


def test_only_those_of_the_batch_are_ended(folders: tuple[Path, Path]) -> None:
    mine, others = folders
    parent = begin(mine, NEST)
    parent.wait()  # its child is an orphan in a session of its own
    alone, stranger = begin(mine, SLEEP), begin(others, SLEEP)
    assert len(processes_of(mine)) == 2
    assert end_orphans(mine, grace=1) == 2
    assert processes_of(mine) == []
    assert alone.poll() is not None
    assert stranger.poll() is None
    assert [process.pid for process in processes_of(others)] == [stranger.pid]


def test_whoever_asks_is_spared(folders: tuple[Path, Path]) -> None:
    environment = {**os.environ, **mark_of(folders[0])}
    command = [sys.executable, "-c", ASK, str(folders[0])]
    result = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert result.stdout.strip() == b"0"
