"""Two tasks over one backbone, against a run for each: quality, trained parameters, time.

    python tests/benchmarks/two_tasks.py [CASE] [--seed 0] [-p KEY=VALUE ...]

Every run is a process of its own. Temperature 1 and the same epochs everywhere, so that an input
is learnt from as often with others as alone; the settings are those of the case file. The scores
are on the test split, with intervals from resampling groups. The adapters of the two single-task
runs are those that `fuse` mixes; its time includes theirs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import heading

import tunebook as tb
from tunebook.cases import parse_parameters
from tunebook.config import CaseConfig
from tunebook.records import EvalReport
from tunebook.runs import Run

STACK = {"own": "own", "composition": {"stack": ["shared", "own"]}}
ALONE_ADAPTER = {"kind": "adapter", "name": "task", "own": None}
STRATEGIES: dict[str, Any] = {
    "shared `full`": "full",
    "shared adapter": ALONE_ADAPTER,
    "`stack(shared, own)`": {"kind": "adapter", "name": "shared", **STACK},
}
"""By what the table calls it, how two tasks share the backbone."""


def run(case: CaseConfig, folder: Path) -> Run:
    """Returns the run of a case in a fresh process."""
    folder.mkdir(parents=True)
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


def row(name: str, reports: Sequence[EvalReport], runs: Sequence[Run]) -> str:
    """Returns a line of the table; parameters and time are those of all `runs` together."""
    scores = " | ".join(str(report.scores[report.primary]) for report in reports)
    trained = sum(each.record.parameters["trainable"] for each in runs)
    total = runs[0].record.parameters["total"]
    seconds = sum(each.record.seconds["training"] for each in runs)
    return f"| {name} | {scores} | {trained:,} | {trained / total:.2%} | {seconds:.0f} s |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("case", nargs="?", default="licence_rules")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-p", dest="parameters", action="append", default=[])
    arguments = parser.parse_args()
    settings = parse_parameters(arguments.parameters) | {"sampling.temperature": 1.0}

    def case(strategy: Any) -> CaseConfig:
        return tb.load_case(
            arguments.case, strategy=strategy, seed=arguments.seed, overrides=settings
        )

    tasks = [*case("full").tasks]
    print(heading(), f"seed {arguments.seed}, {settings}", sep="\n")
    print(f"| | {' | '.join(tasks)} | trained | of all | training |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        single: dict[str, Run] = {}
        for label, strategy in (("full", "full"), ("adapter", ALONE_ADAPTER)):
            by_task = case(strategy).by_task()
            single = {name: run(each, folder / f"{label}-{name}") for name, each in by_task.items()}
            reports = [each.report for each in single.values()]
            print(row(f"two runs, `{label}`", reports, [*single.values()]), flush=True)
            if label == "full":
                baselines = zip(*(report.baselines for report in reports), strict=True)
                for pair in baselines:
                    scores = " | ".join(str(each.scores["macro_f1"]) for each in pair)
                    print(f"| {pair[0].title} | {scores} | | | |", flush=True)
        earlier = {name: {"run": str(each.directory.path)} for name, each in single.items()}
        fuse = {**ALONE_ADAPTER, "adapters": earlier, "composition": {"fuse": tasks}}
        for number, (name, strategy) in enumerate([*STRATEGIES.items(), ("`fuse`", fuse)]):
            both = run(case(strategy), folder / f"shared-{number}")
            reports = [each.report for each in both.tasks.values()]
            runs = [*single.values(), both] if strategy is fuse else [both]
            print(row(name, reports, runs), flush=True)


if __name__ == "__main__":
    main()
