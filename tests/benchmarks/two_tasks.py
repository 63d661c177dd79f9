"""Two tasks over one backbone, against a run for each: quality, trained parameters, time.

    python tests/benchmarks/two_tasks.py --runs FOLDER [--case NAME] [--seeds 0 1 2]
        [-p KEY=VALUE ...]

Every run is a process of its own; what is in FOLDER already isn't run again. Temperature 1 and the
same epochs everywhere, so that an input is learnt from as often with others as alone; the settings
are those of the case file. Macro-F1 is of the test split, the mean over seeds, with intervals from
resampling its groups; differences are of the same seeds and resamples. The adapters of the two
single-task runs are those that `fuse` mixes; its time and parameters include theirs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import heading

import tunebook as tb
from tunebook.cases import parse_parameters
from tunebook.config import CaseConfig
from tunebook.contracts import Predictions
from tunebook.evaluation.bootstrap import draw, interval
from tunebook.forms.single_label import probabilities_in
from tunebook.host import PluginHost
from tunebook.records import Estimate, find_runs
from tunebook.runs import Run

STACK = {"own": "own", "composition": {"stack": ["shared", "own"]}}
ALONE_ADAPTER = {"kind": "adapter", "name": "task", "own": None}
ALONE: dict[str, Any] = {"two runs, `full`": "full", "two runs, `adapter`": ALONE_ADAPTER}
SHARED: dict[str, Any] = {
    "shared `full`": "full",
    "shared adapter": ALONE_ADAPTER,
    "`stack(shared, own)`": {"kind": "adapter", "name": "shared", **STACK},
}
"""By what the table calls it, how two tasks are learnt."""
FUSE = "`fuse` of the two adapters, their runs included"
REFERENCE = "two runs, `full`"
RESAMPLES = 1000
HOST = PluginHost()


@dataclass(frozen=True)
class Learnt:
    """Both tasks learnt in one way with one seed.

    Attributes:
        tasks: By task, the run that is scored for it.
        runs: All runs that it took.
    """

    tasks: Mapping[str, Run]
    runs: Sequence[Run]

    def spent(self, what: str) -> float:
        return sum(run.record.seconds[what] for run in self.runs)

    def trained(self) -> int:
        return sum(run.record.parameters["trainable"] for run in self.runs)


@dataclass(frozen=True)
class Score:
    """A macro-F1, the mean of several seeds', and its resamples."""

    value: float
    samples: np.ndarray

    def estimate(self, minus: Score | None = None) -> Estimate:
        if minus is None:
            return interval(self.value, self.samples, 0.95)
        return interval(self.value - minus.value, self.samples - minus.samples, 0.95)


def run(case: CaseConfig, folder: Path) -> Run:
    """Returns the run of a case, found or made in a fresh process."""
    if not any(each.read_record().status == "succeeded" for each in find_runs(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "case.json"
        file.write_text(json.dumps(case.to_json_dict()))
        command = [sys.executable, "-m", "tunebook.cli", "run", str(file), "--no-notebook"]
        subprocess.run(
            [*command, "--runs-dir", str(folder)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return tb.load_run("last", folder)


def learn(name: str, seed: int, settings: Mapping[str, Any], folder: Path) -> Iterator[Any]:
    """Yields the name of every way and what it came to, with one seed."""

    def case(strategy: Any) -> CaseConfig:
        return tb.load_case(name, HOST, strategy=strategy, seed=seed, overrides=settings)

    for number, (way, strategy) in enumerate(ALONE.items()):
        by_task = case(strategy).by_task()
        single = {t: run(each, folder / f"alone-{number}-{t}") for t, each in by_task.items()}
        yield way, Learnt(single, [*single.values()])
    earlier = {task: {"run": str(each.directory.path)} for task, each in single.items()}
    fuse = {**ALONE_ADAPTER, "adapters": earlier, "composition": {"fuse": [*single]}}
    for number, (way, strategy) in enumerate([*SHARED.items(), (FUSE, fuse)]):
        both = run(case(strategy), folder / f"shared-{number}")
        yield way, Learnt(both.tasks, [*single.values(), both] if way == FUSE else [both])


def score(runs: Sequence[Run]) -> Score:
    """Returns the mean of one task's macro-F1 over seeds; every run is about the same texts."""
    metric = HOST.create("metric", HOST.get("metric", "f1").config())
    frames = [pd.read_parquet(each.place.predictions) for each in runs]
    assert len({tuple(frame["id"]) for frame in frames}) == 1, "seeds differ in their test texts"
    resamples = draw(len(frames[0]), frames[0]["group"].to_numpy(object), RESAMPLES, seed=0)
    classes = runs[0].report.classes
    targets = frames[0]["label"].map(classes.index).to_numpy()
    told = [Predictions(targets, probabilities_in(frame, classes), classes) for frame in frames]
    return Score(
        statistics.mean(metric.compute(each).scores["macro_f1"] for each in told),
        np.mean([metric.resample(each, resamples)["macro_f1"] for each in told], axis=0),
    )


def row(way: str, learnt: Sequence[Learnt], reference: Sequence[Learnt]) -> str:
    """Returns a line of the table; `learnt` has one entry a seed."""
    cells = []
    for task in learnt[0].tasks:
        ours, full = (score([seed.tasks[task] for seed in each]) for each in (learnt, reference))
        seeds = [seed.tasks[task].report.scores["macro_f1"].value for seed in learnt]
        cells.append(f"{ours.estimate()} ({', '.join(f'{each:.3f}' for each in seeds)})")
        cells.append("" if way == REFERENCE else str(ours.estimate(minus=full)))
    total = learnt[0].runs[0].record.parameters["total"]
    trained = learnt[0].trained()
    seconds = statistics.mean(seed.spent("training") for seed in learnt)
    cells += [f"{trained:,}", f"{trained / total:.2%}", f"{seconds:.0f} s"]
    return f"| {way} | {' | '.join(cells)} |"


def baselines(learnt: Sequence[Learnt]) -> Iterator[str]:
    """Yields the lines of the simple methods, the mean over seeds."""
    tasks = learnt[0].tasks
    for number, first in enumerate(next(iter(tasks.values())).report.baselines):
        told = [
            statistics.mean(
                seed.tasks[task].report.baselines[number].scores["macro_f1"].value
                for seed in learnt
            )
            for task in tasks
        ]
        yield f"| {first.title} | {' | | '.join(f'{each:.3f}' for each in told)} | | | | |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--case", default="licence_rules")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("-p", dest="parameters", action="append", default=[])
    given = parser.parse_args()
    settings = parse_parameters(given.parameters) | {"sampling.temperature": 1.0}
    ways: dict[str, list[Learnt]] = {}
    for seed in given.seeds:
        for way, learnt in learn(given.case, seed, settings, given.runs / f"seed-{seed}"):
            ways.setdefault(way, []).append(learnt)
    print(heading(), f"seeds {given.seeds}, {settings}", sep="\n")
    tasks = " | ".join(f"{task} | minus two `full`" for task in ways[REFERENCE][0].tasks)
    print(f"| | {tasks} | trained | of all | training |\n|---|{'---|' * 7}")
    for way, learnt in ways.items():
        print(row(way, learnt, ways[REFERENCE]), flush=True)
    print("\n".join(baselines(ways[REFERENCE])))


if __name__ == "__main__":
    main()
