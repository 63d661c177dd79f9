"""Chinese reviews: minilm against e5-multilingual, with and without a language adapter.

    python tests/benchmarks/multilingual.py --runs FOLDER [--seeds 0 1 2] [-p KEY=VALUE ...]
        [--english vaderSentiment-0.5.zip]

All arms see the same texts: a seed draws the labelled ones and starts the training. A language
adapter is trained once for each model, by the first seed's run, and used again by the others. What
is in FOLDER already isn't run again. Intervals are 95 % over test reviews, of the mean over seeds;
differences are of the same seeds and resamples.

With `--english` the labels are of English film reviews, those of the validation split too, and the
test stays Chinese. They lie in the source archive that `pip download --no-deps vaderSentiment==0.5`
fetches (MIT), rated by people, and aren't installed with it.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
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
from tunebook.data.loading import load_dataset
from tunebook.evaluation.bootstrap import draw, interval
from tunebook.host import PluginHost
from tunebook.records import Estimate, find_runs
from tunebook.runner import run_case
from tunebook.runs import Run

HOST = PluginHost()
SCORES = {"macro_f1": "f1", "accuracy": "accuracy"}
"""By score, the metric that has it."""
MODELS = ("minilm", "e5-multilingual")
RESAMPLES = 1000
RATED = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
CLEAR = 1.0
"""Mean rating (-4 … 4) from which on a film review counts as positive, or negative below zero."""


@dataclass(frozen=True)
class Arm:
    """A model and how it is adapted."""

    model: str
    strategy: str
    language: bool = False

    @property
    def name(self) -> str:
        return f"{self.model}, {self.strategy}{' on a language adapter' if self.language else ''}"


ARMS = [
    Arm(model, strategy, language)
    for strategy, language in (
        ("feature_extraction", False),
        ("adapter", False),
        ("adapter", True),
    )
    for model in MODELS
]


@dataclass(frozen=True)
class Result:
    """The runs of an arm by seed, and the samples of its mean scores."""

    runs: Mapping[int, Run]
    samples: Mapping[str, np.ndarray]
    values: Mapping[str, float]

    def estimate(self, score: str, other: Result | None = None) -> Estimate:
        """Returns a mean score, or its difference to that of `other`."""
        if other is None:
            return interval(self.values[score], self.samples[score], 0.95)
        value = self.values[score] - other.values[score]
        return interval(value, self.samples[score] - other.samples[score], 0.95)


def case_of(arm: Arm, seed: int, parameters: Mapping[str, Any], earlier: Path | None) -> CaseConfig:
    """Returns the case of one run; with `earlier`, that run's language adapter is used again."""
    overrides = {**parameters, "model": arm.model}
    case = tb.load_case(
        "multilingual_sentiment", strategy=arm.strategy, seed=seed, overrides=overrides
    )
    if arm.strategy == "adapter" and not arm.language:
        return case.updated(strategy={"kind": "adapter"}, pretraining=None, corpus=None)
    if arm.language and earlier is not None:
        strategy = case.to_json_dict()["strategy"] | {
            "adapters": {"language": {"run": str(earlier)}}
        }
        return case.updated(strategy=strategy, pretraining=None, corpus=None)
    return case


def with_english_labels(case: CaseConfig, archive: Path) -> CaseConfig:
    """Returns the case with English texts to learn and to choose from; the test stays as it is."""
    chinese = load_dataset(case, HOST)
    labels = [chinese.classes[target] for target in chinese.targets("test")]
    rows = [
        {"id": f"test-{n}", "text": text, "label": label, "split": "test"}
        for n, (text, label) in enumerate(zip(chinese.texts("test"), labels, strict=True))
    ]
    for n, review in enumerate(film_reviews(archive)):
        rows.append(review | {"split": "train" if n % 10 else "validation"})
    data, texts_only = {"kind": "memory", "rows": rows}, {"corpus_rows": case.limits.corpus_rows}
    return case.updated(data=data, split={"kind": "given"}, limits=texts_only)


def film_reviews(archive: Path) -> list[dict[str, str]]:
    """Returns the clearly rated film reviews of the source archive of vaderSentiment 0.5."""
    with zipfile.ZipFile(archive) as package:
        name = next(name for name in package.namelist() if name.endswith(".tar.gz"))
        inner = io.BytesIO(package.read(name))
    with tarfile.open(fileobj=inner) as files:
        member = files.extractfile(RATED)
        assert member is not None
        lines = member.read().decode("utf-8", "replace").splitlines()
    rated = [line.split("\t", 2) for line in lines if line.count("\t") >= 2]
    return [
        {"id": f"film-{n}", "text": text, "label": "positive" if float(rating) > 0 else "negative"}
        for n, rating, text in rated
        if abs(float(rating)) >= CLEAR
    ]


def run(arm: Arm, seed: int, arguments: argparse.Namespace) -> Run:
    """Returns the run of an arm, made now or found."""
    folder = arguments.runs / f"{arm.name}, {seed}"
    found = [run for run in find_runs(folder) if run.read_record().status == "succeeded"]
    if found:
        return Run(found[0])
    first = seed == arguments.seeds[0]
    earlier = None if first else run(arm, arguments.seeds[0], arguments).directory.path
    case = case_of(arm, seed, parse_parameters(arguments.parameters), earlier)
    if arguments.english is not None:
        case = with_english_labels(case, arguments.english)
    return run_case(case, runs_dir=folder, listeners=[])


def score(runs: Mapping[int, Run]) -> Result:
    """Returns the mean over seeds of each score, and its samples."""
    samples: dict[str, list[np.ndarray]] = {name: [] for name in SCORES}
    values: dict[str, list[float]] = {name: [] for name in SCORES}
    for seed, each in runs.items():
        predictions = predictions_of(pd.read_parquet(each.directory.predictions))
        resamples = draw(len(predictions.targets), None, RESAMPLES, seed)
        for name, kind in SCORES.items():
            metric = HOST.create("metric", HOST.get("metric", kind).config())
            values[name].append(metric.compute(predictions).scores[name])
            samples[name].append(metric.resample(predictions, resamples)[name])
    return Result(
        runs,
        {name: np.mean(drawn, axis=0) for name, drawn in samples.items()},
        {name: statistics.mean(each) for name, each in values.items()},
    )


def predictions_of(frame: pd.DataFrame) -> Predictions:
    """Returns the predictions that a run has written."""
    columns = [column for column in frame if column.startswith("p:")]
    classes = tuple(column.removeprefix("p:") for column in columns)
    targets = np.array([classes.index(label) for label in frame["label"]])
    return Predictions(targets, frame[columns].to_numpy(), classes)


def row(arm: Arm, result: Result, plain: Result | None) -> str:
    """Returns a line of the table; `plain` is the same arm without a language adapter."""
    records = [run.record for run in result.runs.values()]
    seeds = ", ".join(f"{run.report.scores['macro_f1'].value:.3f}" for run in result.runs.values())
    told = records[0].training.get("pretraining")
    learnt = f"{told['before']:.0f} → {told['after']:.0f}" if told else ""
    seconds = statistics.mean(record.seconds["training"] for record in records)
    before = records[0].seconds.get("pretraining", 0.0)
    difference = str(result.estimate("macro_f1", plain)) if plain is not None else ""
    return (
        f"| {arm.name} | {result.estimate('macro_f1')} ({seeds}) | {result.estimate('accuracy')} "
        f"| {difference} | {learnt} | {seconds:.0f} s{f' + {before:.0f} s' if before else ''} |"
    )


def baselines(runs: Sequence[Run]) -> str:
    """Returns the lines of the simple methods, over the seeds of the first arm."""
    lines = []
    for number, first in enumerate(runs[0].report.baselines):
        told = [run.report.baselines[number].scores for run in runs]
        means = {
            name: statistics.mean(scores[name].value for scores in told)
            for name in ("macro_f1", "accuracy")
        }
        lines.append(f"| {first.title} | {means['macro_f1']:.3f} | {means['accuracy']:.3f} | | | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--english", type=Path)
    parser.add_argument("--arms", type=int, nargs="+", default=[*range(len(ARMS))])
    parser.add_argument("-p", dest="parameters", action="append", default=[])
    arguments = parser.parse_args()
    print(heading())
    print(json.dumps(arguments.parameters), f"seeds {arguments.seeds}")
    print(
        "| arm | macro-F1 (seeds) | accuracy | minus without language adapter (macro-F1) "
        "| perplexity of held-out texts | training + pretraining once |\n|---|---|---|---|---|---|"
    )
    results: dict[Arm, Result] = {}
    for arm in (ARMS[number] for number in arguments.arms):
        results[arm] = score({seed: run(arm, seed, arguments) for seed in arguments.seeds})
        plain = results.get(Arm(arm.model, arm.strategy)) if arm.language else None
        print(row(arm, results[arm], plain), flush=True)
    print(baselines([*next(iter(results.values())).runs.values()]))
    better, worse = (results.get(Arm(model, "adapter")) for model in reversed(MODELS))
    if better is not None and worse is not None:
        print(f"e5-multilingual minus minilm, adapter: {better.estimate('macro_f1', worse)}")


if __name__ == "__main__":
    main()
