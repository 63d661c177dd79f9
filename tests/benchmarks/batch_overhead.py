"""What a batch costs on top of its runs: its wall time against the sum of its parts.

``python tests/benchmarks/batch_overhead.py [RUNS] [WORKERS]`` runs that many smoke runs of the
medical case (24 on 2 workers) and compares the wall time with the training time of all runs
divided by the workers. What a run trains is the `total` of its record and of the other points of
its learning curve; start of the kernel, imports, the notebook's other cells and whatever the batch
does between runs are what is left. `cells_seconds` is what all cells took, `wall_over_cells` the
same ratio to that: what is left then is no work of the notebook's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tunebook.records import RunDirectory, RunRecord, find_runs

CASE = "medical_coding"
TARGET = 1.15
COMMAND = [sys.executable, "-c", "from tunebook.cli import main; main()"]


def run_batch(runs: int, workers: int, folder: Path) -> tuple[float, dict[str, Any]]:
    """Returns the wall seconds of a batch, and the summary that it ended with."""
    words = ["-p", "preset=smoke", "--grid", f"seed=1..{runs}", "-E", f"workers={workers}"]
    started = time.monotonic()
    result = subprocess.run(
        [*COMMAND, "batch", CASE, *words, "--runs-dir", str(folder), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.monotonic() - started, json.loads(result.stdout.splitlines()[-1])


def seconds_of(record: RunRecord) -> float:
    """Returns the seconds that a run has trained and evaluated, learning curve included."""
    others = (point for point in record.learning_curve if point.run_id != record.run_id)
    return record.seconds.get("total", 0.0) + sum(point.seconds for point in others)


def cells_of(run: RunDirectory) -> float:
    """Returns the seconds that the cells of a run's notebook took."""
    cells = json.loads(run.notebook.read_text(encoding="utf-8"))["cells"]
    told = (cell["metadata"].get("papermill", {}) for cell in cells)
    return sum(each.get("duration") or 0.0 for each in told)


def main() -> None:
    """Prints the figures as JSON."""
    given = [int(word) for word in sys.argv[1:]]
    runs, workers = (*given, *(24, 2)[len(given) :])
    with tempfile.TemporaryDirectory() as place:
        wall, summary = run_batch(runs, workers, Path(place))
        found = find_runs(Path(place))
        records = [run.read_record() for run in found]
        cells = sum(cells_of(run) for run in found)
    training = sum(seconds_of(record) for record in records)
    figures = {
        "runs": runs,
        "workers": workers,
        "succeeded": summary["counts"].get("succeeded", 0),
        "wall_seconds": round(wall, 1),
        "training_seconds": round(training, 1),
        "wall_over_share": round(wall / (training / workers), 3),
        "cells_seconds": round(cells, 1),
        "wall_over_cells": round(wall / (cells / workers), 3),
        "target": TARGET,
        "overhead_seconds_per_run": round((wall * workers - training) / runs, 2),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
