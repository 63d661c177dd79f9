from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tunebook.cli.application import application
from tunebook.records import (
    Baseline,
    Comparison,
    Estimate,
    EvalReport,
    RunDirectory,
    RunRecord,
)

Invoke = Callable[..., Result]
COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNEBOOK_PLUGIN_FILES", raising=False)


@pytest.fixture
def invoke() -> Invoke:
    """Calls the command in this process."""
    return lambda *arguments: CliRunner().invoke(application, [str(a) for a in arguments])


@pytest.fixture
def tunebook() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Calls the command in a process of its own."""

    def call(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    return call


@pytest.fixture
def finished_run(tmp_path: Path) -> RunDirectory:
    """A run as it lies on disk after it has succeeded, without a model."""
    run = RunDirectory.create(tmp_path / "runs", "tiny", "full-s0")
    run.write_case({"name": "tiny", "task": {"text": "diagnosis"}, "strategy": {"kind": "full"}})
    run.write_record(succeeded(run))
    run.report.write_text("<html></html>")
    return run


def succeeded(run: RunDirectory) -> RunRecord:
    scores = {"macro_f1": Estimate(value=0.7, low=0.65, high=0.75)}
    below = {"macro_f1": Estimate(value=0.6, low=0.55, high=0.65)}
    lead = Estimate(value=0.1, low=0.04, high=0.16)
    report = EvalReport(
        split="test",
        rows=3606,
        classes=("a", "b"),
        primary="macro_f1",
        resampled="group",
        units=120,
        resamples=1000,
        level=0.95,
        scores=scores,
        per_class={},
        support={"a": 1800, "b": 1806},
        confusion=None,
        baselines=(Baseline(name="tfidf", title="TF-IDF", scores=below, seconds=1.0),),
        comparisons=(Comparison(against="tfidf", score="macro_f1", difference=lead),),
    )
    now = time.time()
    return RunRecord(
        run_id=run.run_id,
        case="tiny",
        strategy="full",
        seed=0,
        status="succeeded",
        started=now - 75,
        finished=now,
        parameters={"trainable": 10, "total": 100, "share": 0.1},
        peak_memory_mb=1234.0,
        report=report,
        warnings=("an observer failed",),
    )
