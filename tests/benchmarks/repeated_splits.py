"""A case over several splits: each score, and the paired difference to TF-IDF.

    python tests/benchmarks/repeated_splits.py legal_licences --splits 0 1 2 -p split.group=key

The interval of the mean difference is a t interval over splits; test parts of different splits
overlap, so it is narrower than it should be.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile

from machine import heading
from scipy import stats

import tunebook as tb
from tunebook.cases import parse_parameters
from tunebook.runner import run_case


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("case", nargs="?", default="legal_licences")
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("-p", dest="parameters", action="append", default=[])
    arguments = parser.parse_args()
    print(heading())
    differences = []
    for split in arguments.splits:
        overrides = parse_parameters(arguments.parameters) | {"split.seed": split}
        case = tb.load_case(arguments.case, overrides=overrides)
        with tempfile.TemporaryDirectory() as folder:
            run = run_case(case, runs_dir=folder, listeners=[])
        report = run.report
        tfidf = next(b for b in report.baselines if b.name == "tfidf").scores["macro_f1"]
        paired = next(
            c.difference
            for c in report.comparisons
            if (c.against, c.score) == ("tfidf", "macro_f1")
        )
        differences.append(paired.value)
        print(
            f"split {split}: macro-F1 {report.scores['macro_f1']}  TF-IDF {tfidf}  "
            f"difference {paired}  validation {run.record.training['best']:.3f}  "
            f"{run.record.seconds['total']:.0f} s",
            flush=True,
        )
    mean = statistics.mean(differences)
    if len(differences) > 1:
        error = statistics.stdev(differences) / len(differences) ** 0.5
        half = stats.t.ppf(0.975, len(differences) - 1) * error
        print(f"mean difference {mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]")


if __name__ == "__main__":
    main()
