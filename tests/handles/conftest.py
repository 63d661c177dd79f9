from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny
from tunebook.records import RunDirectory, RunRecord


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run as it lies on disk just after it has begun; nobody works on it."""
    made = RunDirectory.create(tmp_path / "runs", "tiny", "full-s0")
    now = time.time()
    made.write_case({"name": "tiny"})
    made.write_record(
        RunRecord(run_id=made.run_id, case="tiny", strategy="full", seed=0, started=now)
    )
    return made


@pytest.fixture
def write_case(tiny_bert: Path, tmp_path: Path) -> Callable[..., str]:
    """Writes a case file that trains for so many epochs, and returns its path."""

    def write(epochs: float = 6, **changes: Any) -> str:
        content = tiny.case_content(tiny_bert, **changes)
        content["training"] |= {"epochs": epochs}
        content["checkpoints"] = {"every_steps": 5}
        (tmp_path / "tiny.json").write_text(json.dumps(content))
        return str(tmp_path / "tiny.json")

    return write
