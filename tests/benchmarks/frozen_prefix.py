"""An epoch with the lowest k of 6 layers frozen: their outputs cached, and computed each time.

    python tests/benchmarks/frozen_prefix.py [TRAIN_PER_CLASS] [EPOCHS]

The two are run in turn on the same batches and their losses compared, of the first steps and of
all: sums in another order differ in the last bit, which training amplifies. The time of filling the
cache is told apart.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

from machine import heading

import tunebook as tb
from tunebook.runner import run_case
from tunebook.runs import Run

PER_CLASS = int(sys.argv[1]) if len(sys.argv) > 1 else 128
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
FROZEN = (2, 4, 6)


def train(layers: int, cache: bool, folder: str) -> tuple[Run, float]:
    """Returns a run, and its seconds in all."""
    case = tb.load_case(
        "medical_coding",
        train_per_class=PER_CLASS,
        overrides={
            "strategy": {"kind": "freeze", "layers": layers},
            "head.init": "random",  # a probe would fill a cache of its own
            "training": {
                "epochs": EPOCHS,
                "learning_rate": 1e-4,
                "head_learning_rate": 1e-3,
                "cache_frozen": cache,
                "evaluations": 1,
                "evaluation_rows": 100,
            },
            "evaluation.baselines": [],
        },
    )
    started = time.perf_counter()
    run = run_case(case, runs_dir=folder, listeners=[])
    return run, time.perf_counter() - started


def epoch_seconds(run: Run) -> float:
    training = run.record.training
    return (training["seconds"] - training["evaluation_seconds"]) / training["epochs"]


def losses(run: Run) -> list[float]:
    return [event["loss"] for event in run.events if event["type"] == "step"]


def main() -> None:
    print(heading())
    print("frozen  cached  computed  faster  first and largest gap of losses  filling the cache")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNEBOOK_CACHE"] = folder
        for layers in FROZEN:
            _, filled = train(layers, True, folder)
            cached, again = train(layers, True, folder)
            computed, _ = train(layers, False, folder)
            gaps = [abs(a - b) for a, b in zip(losses(cached), losses(computed), strict=True)]
            times = epoch_seconds(cached), epoch_seconds(computed)
            print(
                f"{layers} of 6  {times[0]:5.2f} s  {times[1]:5.2f} s  {times[1] / times[0]:5.1f}x"
                f"  {gaps[0]:.1e}  {max(gaps):.1e}  {filled - again:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
