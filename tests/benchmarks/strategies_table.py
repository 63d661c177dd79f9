"""The four strategies on one case and one split: quality, time, trainable share, memory.

    python tests/benchmarks/strategies_table.py [CASE] [--seeds 0 1 2] [-p KEY=VALUE ...]

Every run is a process of its own, so that its peak memory is its own. Settings are those of the
case file, which were chosen on the validation split; the scores are on the test split.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import heading

from tunebook.records import RunRecord, find_runs

STRATEGIES = ("feature_extraction", "adapter", "lora", "full")


def run(case: str, strategy: str, seed: int, parameters: list[str], folder: Path) -> RunRecord:
    """Returns the record of one run in a fresh process."""
    runs = folder / f"{strategy}-{seed}"
    command = [
        *(sys.executable, "-m", "tunebook.cli", "run", case, "--no-notebook"),
        *("--runs-dir", str(runs), "-p", f"strategy={strategy}", "-p", f"seed={seed}"),
        *("-p", "evaluation.learning_curve=[]"),
        *(word for parameter in parameters for word in ("-p", parameter)),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return find_runs(runs)[0].read_record()


def row(strategy: str, records: list[RunRecord]) -> str:
    """Returns a line of the table; with several seeds the mean, and the first run's interval."""
    first = records[0]
    assert first.report is not None
    scores = [r.report.scores["macro_f1"].value for r in records if r.report]
    difference = next(
        c.difference
        for c in first.report.comparisons
        if c.against == "tfidf" and c.score == "macro_f1"
    )
    accuracy = first.report.scores["accuracy"].value
    return (
        f"| `{strategy}` | {first.report.scores['macro_f1']} "
        f"| {statistics.mean(scores):.3f} ({', '.join(f'{s:.3f}' for s in scores)}) "
        f"| {difference} | {accuracy:.3f} "
        f"| {first.parameters['share']:.2%} | {first.seconds['training']:.0f} s "
        f"| {first.seconds['total']:.0f} s | {first.peak_memory_mb:,.0f} MB |"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("case", nargs="?", default="medical_coding")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("-p", dest="parameters", action="append", default=[])
    arguments = parser.parse_args()
    print(heading())
    print(
        "| strategy | macro-F1 (first seed) | seeds | minus TF-IDF | accuracy | trained "
        "| training | total | peak memory |\n|---|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for strategy in STRATEGIES:
            records = [
                run(arguments.case, strategy, seed, arguments.parameters, Path(folder))
                for seed in arguments.seeds
            ]
            print(row(strategy, records), flush=True)
            if strategy == STRATEGIES[-1]:
                assert records[0].report is not None
                for baseline in records[0].report.baselines:
                    print(
                        f"| {baseline.title} | {baseline.scores['macro_f1']} | | "
                        f"| {baseline.scores['accuracy'].value:.3f} | | "
                        f"| {baseline.seconds:.1f} s | |"
                    )


if __name__ == "__main__":
    main()
