"""Every strategy at the same budget of time, for several training-set sizes and seeds.

    python tests/benchmarks/strategy_grid.py RESULTS.jsonl [--sizes 8 32 128] [--seeds 0 1 2]
        [--seconds 10 20 60] [--strategies full lora ...]
    python tests/benchmarks/strategy_grid.py RESULTS.jsonl --table

`--seconds` bounds, by size, the training loop of one run in processor time of one thread, which
on an idle machine is wall-clock time; a first short run measures what a step costs, and the
epochs are what the budget pays for, `EPOCHS` at most. Splits and test rows are the same for all;
the training rows of a seed are the same for all strategies. Rates are those of the case where it
has some, the strategy's own defaults otherwise; none was tuned for its budget. Each strategy and
size is a process of its own, for its peak memory. Rows lie in RESULTS.jsonl, so that a grid that
was stopped goes on where it was.

The interval of a mean over seeds resamples the groups of the test split, the same ones for every
seed: it covers the choice of test rows, and only through the mean the choice of seeds. A difference
is of the seeds that both have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import heading

import tunebook as tb
from tunebook.contracts import Predictions
from tunebook.data.dataset import texts_of
from tunebook.data.loading import load_dataset
from tunebook.evaluation.baselines import fit_baselines
from tunebook.evaluation.bootstrap import draw, interval
from tunebook.forms.single_label import probabilities_in
from tunebook.host import PluginHost
from tunebook.records import Estimate
from tunebook.runner import run_case
from tunebook.runs import Run

CASE = "medical_coding"
CLASSES = 18
BASELINE, REFERENCE = "TF-IDF", "full"
PROBE_STEPS = 20
EPOCHS = 40
LEAST_STEPS = 20
STAGED = ("contrastive",)
"""Strategies whose work is a stage before the task's; the budget is that stage's."""


def case(strategy: str, size: int, seed: int, **training: Any) -> Any:
    """Returns the case with what all runs of the grid share."""
    changed = {f"training.{name}": value for name, value in training.items()}
    return tb.load_case(
        CASE,
        strategy=strategy,
        seed=seed,
        train_per_class=size,
        overrides={
            "evaluation.baselines": [],
            "evaluation.learning_curve": [],
            "evaluation.bootstrap.resamples": 100,
            "training.evaluations": 2,  # they would take longer than the training
            "training.min_steps": 0,
            "training.max_steps": None,
        }
        | changed,
    )


def with_steps(asked: Any, steps: int) -> Any:
    """Returns the case with so many steps of the part that takes the time."""
    if asked.strategy.kind in STAGED:
        strategy = asked.strategy.model_dump() | {"max_steps": steps, "pairs_per_text": 10_000}
        return asked.updated(
            strategy=strategy, training=asked.training.model_dump() | {"max_steps": 1}
        )
    return asked.updated(
        training=asked.training.model_dump() | {"epochs": 1000, "max_steps": steps}
    )


def seconds_per_step(strategy: str, size: int, folder: str) -> float:
    """Returns the processor time of a step, without the first ones, which warm up."""
    clock: list[float] = []
    watched = "stage_step" if strategy in STAGED else "step"

    def watch(event: Any) -> None:
        if event.type == watched:
            clock.append(time.process_time())

    probe = case(strategy, size, 0, evaluations=1, evaluation_rows=20)
    limited = with_steps(probe, PROBE_STEPS).updated(limits={"eval_rows": 40})
    run_case(limited, runs_dir=folder, listeners=[watch])
    half = len(clock) // 2
    return (clock[-1] - clock[half]) / (len(clock) - 1 - half)


def run_budget(strategy: str, size: int, seeds: Sequence[int], seconds: float) -> Iterator[Any]:
    """Yields seed, run, steps, and the processor time of its training and of it all."""
    with tempfile.TemporaryDirectory() as folder:
        cost = seconds_per_step(strategy, size, folder)
        for seed in seeds:
            asked = case(strategy, size, seed)
            most = EPOCHS * -(-size * CLASSES // asked.training.batch_size)
            steps = min(max(int(seconds / cost), LEAST_STEPS), most)
            started = time.process_time()
            run = run_case(with_steps(asked, steps), runs_dir=folder, listeners=[])
            yield seed, run, steps, steps * cost, time.process_time() - started


def told(
    strategy: str,
    size: int,
    seed: int,
    run: Run,
    steps: int,
    training_seconds: float,
    spent: float,
) -> dict[str, Any]:
    """Returns what the table needs of a run, as JSON."""
    training = run.record.training
    frame = pd.read_parquet(run.directory.predictions)
    return {
        "strategy": strategy,
        "size": size,
        "seed": seed,
        "macro_f1": run.report.scores["macro_f1"].value,
        "validation": training["best"],
        "steps": steps,
        "training_seconds": training_seconds,
        "total_seconds": spent,
        "share": run.record.parameters["share"],
        "memory_mb": run.record.peak_memory_mb,
        "predicted": probabilities_in(frame, run.report.classes).argmax(axis=1).tolist(),
    }


def baseline(size: int, seed: int) -> dict[str, Any]:
    """Returns TF-IDF with logistic regression on the same rows."""
    dataset = load_dataset(case(REFERENCE, size, seed), PluginHost())
    started = time.process_time()
    (fitted,) = fit_baselines(
        texts_of(dataset.split("train")),
        dataset.targets("train"),
        texts_of(dataset.split("test")),
        dataset.form,
        names=("tfidf",),
    )
    return {
        "strategy": BASELINE,
        "size": size,
        "seed": seed,
        "training_seconds": time.process_time() - started,
        "predicted": fitted.outputs.argmax(axis=1).tolist(),
    }


def child(strategy: str, size: int, seeds: Sequence[int], seconds: float, results: Path) -> None:
    """Appends the rows of one strategy and size."""
    if strategy == BASELINE:
        rows = (baseline(size, seed) for seed in seeds)
    else:
        rows = (
            told(strategy, size, *finished)
            for finished in run_budget(strategy, size, seeds, seconds)
        )
    for row in rows:
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")


def read(results: Path) -> list[dict[str, Any]]:
    lines = results.read_text().splitlines() if results.exists() else []
    return [json.loads(line) for line in lines]


class Scorer:
    """Macro-F1 of predicted classes over the test split, and over its resamples."""

    def __init__(self, resamples: int = 1000) -> None:
        host = PluginHost()
        settings = case(REFERENCE, 8, 0)
        dataset = load_dataset(settings, host)
        self.targets, self.classes = dataset.targets("test"), dataset.classes
        self.draws = draw(len(self.targets), dataset.groups("test"), resamples, 0)
        self.metric = host.create(
            "metric", next(each for each in settings.metrics if each.kind == "f1")
        )

    def __call__(self, predicted: Sequence[int]) -> tuple[float, np.ndarray]:
        one_hot = np.eye(len(self.classes))[np.asarray(predicted)]
        predictions = Predictions(self.targets, one_hot, self.classes)
        value = self.metric.compute(predictions).scores["macro_f1"]
        return value, self.metric.resample(predictions, self.draws)["macro_f1"]


Scores = Mapping[int, tuple[float, np.ndarray]]
"""By seed, a score and its resamples."""


def mean(scores: Scores, seeds: Iterable[int]) -> tuple[float, np.ndarray]:
    """Returns the mean over seeds, of the scores and of each resample."""
    chosen = [scores[seed] for seed in seeds]
    return float(np.mean([v for v, _ in chosen])), np.mean([s for _, s in chosen], axis=0)


def difference(ours: Scores, other: Scores) -> Estimate:
    """Returns the mean difference over the seeds that both have."""
    seeds = sorted(ours.keys() & other.keys())
    (value, samples), (less, resamples) = mean(ours, seeds), mean(other, seeds)
    return interval(value - less, samples - resamples, 0.95)


def table(rows: Sequence[Mapping[str, Any]], scorer: Scorer) -> Iterator[str]:
    """Yields the lines of one Markdown table for each size."""
    frame = pd.DataFrame(rows)
    for size, sized in frame.groupby("size"):
        groups = {str(name): group for name, group in sized.groupby("strategy")}
        scores: dict[str, Scores] = {
            name: {
                seed: scorer(predicted)
                for seed, predicted in sorted(zip(g["seed"], g["predicted"], strict=True))
            }
            for name, g in groups.items()
        }
        yield f"\n{size} per class\n"
        yield (
            "| strategy | macro-F1, mean | seeds | minus TF-IDF | minus full | trained | steps "
            "| training | peak memory |\n|---|---|---|---|---|---|---|---|---|"
        )
        for name in sorted(groups, key=lambda name: -mean(scores[name], scores[name])[0]):
            yield line(name, groups[name], scores)


def line(name: str, group: pd.DataFrame, scores: Mapping[str, Scores]) -> str:
    ours = scores[name]
    seeds = ", ".join(f"{value:.3f}" for value, _ in ours.values())
    against = [
        "" if other == name or other not in scores else str(difference(ours, scores[other]))
        for other in (BASELINE, REFERENCE)
    ]
    about = (
        "| | |"
        if name == BASELINE
        else f"| {group['share'].mean():.2%} | {group['steps'].mean():.0f} |"
    )
    memory = "" if name == BASELINE else f"{group['memory_mb'].max():,.0f} MB"
    return (
        f"| `{name}` | {interval(*mean(ours, ours), 0.95)} | {seeds} | {against[0]} | {against[1]} "
        f"{about} {group['training_seconds'].mean():.0f} s | {memory} |"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 20, 60])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--strategies", nargs="+", default=None)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    strategies = arguments.strategies or [BASELINE, *PluginHost().names("strategy")]
    if arguments.child:
        child(
            strategies[0],
            arguments.sizes[0],
            arguments.seeds,
            arguments.seconds[0],
            arguments.results,
        )
        return
    print(heading())
    budgets = dict(zip(arguments.sizes, arguments.seconds, strict=True))
    for size, seconds in () if arguments.table else budgets.items():
        for strategy in strategies:
            there = {
                row["seed"]
                for row in read(arguments.results)
                if (row["strategy"], row["size"]) == (strategy, size)
            }
            missing = [str(seed) for seed in arguments.seeds if seed not in there]
            if missing:
                command = [sys.executable, __file__, str(arguments.results), "--child"]
                command += ["--strategies", strategy, "--sizes", str(size)]
                command += ["--seconds", str(seconds), "--seeds", *missing]
                environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
                subprocess.run(command, check=True, env=environment)
    print("\n".join(table(read(arguments.results), Scorer())))


if __name__ == "__main__":
    main()
