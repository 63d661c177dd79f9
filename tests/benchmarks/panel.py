"""What a live panel costs a training: the same run with and without one, in turn.

    python tests/benchmarks/panel.py [ROUNDS] [STEPS]

A BERT as large as MiniLM learns the tiny texts in the background, as `tb.start` does it; the panel
follows it four times a second, without a front end. The order changes from round to round; a ratio
is of the wall times of the training. It also says what one refreshing of the panel takes, after
the last round, when its curves are full.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from checkpoints import HOST, save_model
from machine import heading

import tunebook as tb
from tunebook.schema import CaseSchema
from tunebook.testing import tiny
from tunebook.widgets.live import LiveRun


def trained(model: Path, place: Path, steps: int, *, panel: bool) -> tuple[float, LiveRun]:
    """Returns the wall time of the training of one run, and the run."""
    content = tiny.case_content(model, checkpoints={"limit_gb": 0})
    content["training"] |= {"epochs": 1000, "max_steps": steps, "evaluations": 4}
    content["evaluation"] = {"baselines": [], "bootstrap": {"resamples": 100}}
    live = tb.start(CaseSchema(HOST).validate(content), HOST, runs_dir=place)
    if panel:
        assert live.panel.widget is not None
    run = live.wait()
    return float(run.record.seconds["training"]), live


def main(rounds: int = 5, steps: int = 120) -> None:
    print(heading())
    times: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model = save_model(place / "model")
        trained(model, place / "runs", 10, panel=False)  # warms up
        for number in range(rounds):
            for panel in (True, False) if number % 2 else (False, True):
                took, live = trained(model, place / "runs", steps, panel=panel)
                times[panel].append(took)
                if panel:
                    live.panel.close()
                    shown = live
        began = time.perf_counter()
        for _ in range(20):
            shown.panel.refresh()
        refresh = (time.perf_counter() - began) / 20
    ratios = [a / b for a, b in zip(times[True], times[False], strict=True)]
    middle = statistics.median(ratios)
    print(f"{rounds} rounds of {steps} steps, {statistics.median(times[False]):.1f} s without")
    print(f"with a panel {middle:.3f} times as long ({min(ratios):.3f} to {max(ratios):.3f})")
    print(f"one refreshing: {refresh * 1000:.1f} ms, {refresh * 4:.2%} of a core at four a second")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
