"""An epoch with the lowest k of 6 layers frozen: their outputs cached, and computed each time.

    python tests/benchmarks/frozen_prefix.py [TRAIN_PER_CLASS] [EPOCHS] [TURNS]

The two are run in turn on the same batches, in one thread, and timed in processor time, so that
other work on the machine counts little; a ratio is the median of all turns, with the lowest and the
highest. Their losses are compared, of the first steps and of all: sums in another order differ in
the last bit, which training amplifies. Filling the cache is the processor time of the first cached
run before its first step, less that of the later ones.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import torch
from machine import heading

import tunebook as tb
from tunebook.runner import run_case

PER_CLASS = int(sys.argv[1]) if len(sys.argv) > 1 else 128
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
TURNS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
FROZEN = (2, 4, 6)


@dataclass(frozen=True)
class Timed:
    """Processor seconds of a run before its steps and of an epoch, and the losses."""

    before: float
    epoch: float
    losses: list[float]


def train(layers: int, cache: bool, folder: str) -> Timed:
    """Returns what a run took."""
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
            "evaluation.learning_curve": [],
        },
    )
    clock: list[tuple[int, float]] = []

    def watch(event: Any) -> None:
        if event.type == "step":
            clock.append((event.step, time.process_time()))

    started = time.process_time()
    run = run_case(case, runs_dir=folder, listeners=[watch])
    (first, begun), (last, ended) = clock[0], clock[-1]
    training = run.record.training
    steps = training["steps"] / training["epochs"]
    losses = [event["loss"] for event in run.events if event["type"] == "step"]
    return Timed(begun - started, (ended - begun) / (last - first) * steps, losses)


def main() -> None:
    torch.set_num_threads(1)
    print(heading())
    print("frozen  cached  computed  faster [all turns]  first, largest gap of losses  filling")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNEBOOK_CACHE"] = folder
        for layers in FROZEN:
            filling = train(layers, True, folder)
            turns = [
                (train(layers, True, folder), train(layers, False, folder)) for _ in range(TURNS)
            ]
            print(line(layers, filling, turns), flush=True)


def line(layers: int, filling: Timed, turns: list[tuple[Timed, Timed]]) -> str:
    """Returns a line of the table."""
    ratios = sorted(computed.epoch / cached.epoch for cached, computed in turns)
    cached, computed = (
        statistics.median(t.epoch for t in each) for each in zip(*turns, strict=True)
    )
    gaps = [abs(a - b) for a, b in zip(turns[0][0].losses, turns[0][1].losses, strict=True)]
    filled = filling.before - statistics.median(cached.before for cached, _ in turns)
    return (
        f"{layers} of 6  {cached:5.2f} s  {computed:5.2f} s  {statistics.median(ratios):5.2f}x "
        f"[{ratios[0]:.2f}, {ratios[-1]:.2f}]  {gaps[0]:.1e}, {max(gaps):.1e}  {filled:.1f} s"
    )


if __name__ == "__main__":
    main()
