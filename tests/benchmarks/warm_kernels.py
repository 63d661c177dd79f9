"""Smoke notebooks in warm kernels and in cold ones, in turn: wall time, overhead, memory.

    python tests/benchmarks/warm_kernels.py --runs 20

The overhead of a run is its wall time without that which the case itself took (`seconds` of its
record). Memory is the kernel's own and its share of what it shares, shortly before its end.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from machine import heading

from tunebook.cases import parse_parameters
from tunebook.host import PluginHost
from tunebook.kernels.client import ask_all
from tunebook.notebooks.launch import Limits, Plan, launch, make_plan


@dataclass(frozen=True)
class Measured:
    """One run, in seconds and MB."""

    wall: float
    overhead: float
    private: float
    share: float


class Watcher(threading.Thread):
    """Looks at the memory of kernels below this process and below servers, until told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.private = self.share = 0.0

    def run(self) -> None:
        while not self.done.wait(0.1):
            for process in kernels():
                private, share = memory(process)
                self.private, self.share = max(self.private, private), max(self.share, share)


def kernels() -> list[psutil.Process]:
    servers = [psutil.Process(server["pid"]) for server in ask_all("status") if "pid" in server]
    forked = [child for server in servers for child in server.children()]
    below = psutil.Process().children(recursive=True)
    started = [p for p in below if "ipykernel_launcher" in " ".join(safely(p.cmdline) or [])]
    return forked + started


def safely(ask: object) -> list[str] | None:
    try:
        return ask()  # type: ignore[operator,no-any-return]
    except psutil.Error:
        return None


def memory(process: psutil.Process) -> tuple[float, float]:
    """Returns private and proportional memory in MB, from smaps_rollup."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return (sizes["Private_Clean"] + sizes["Private_Dirty"]) / 1024, sizes["Pss"] / 1024


def measure(plan: Plan, host: PluginHost, folder: Path, kernel: str) -> Measured:
    watcher = Watcher()
    watcher.start()
    began = time.monotonic()
    _, record = launch(plan, host, folder, limits=Limits(kernel=kernel))  # type: ignore[arg-type]
    wall = time.monotonic() - began
    watcher.done.set()
    watcher.join()
    if record.status != "succeeded" or record.kernel["kind"] != kernel:
        raise SystemExit(f"{kernel}: {record.status}, {record.kernel}, {record.error}")
    return Measured(wall, wall - record.seconds["total"], watcher.private, watcher.share)


def row(name: str, runs: list[Measured]) -> str:
    def middle(field: str) -> str:
        values = sorted(getattr(run, field) for run in runs)
        return f"{statistics.median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})"

    cells = [middle(field) for field in ("wall", "overhead", "private", "share")]
    total = sum(run.wall for run in runs)
    return f"| {name} | {len(runs)} | {total:.0f} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--case", default="medical_coding")
    parser.add_argument("-p", dest="parameters", action="append", default=[])
    given = parser.parse_args()
    parameters = parse_parameters(given.parameters or ["preset=smoke"])
    host = PluginHost()
    plan = make_plan(host, given.case, parameters)
    print(heading(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        first = measure(plan, host, Path(folder), "warm")
        print(f"first warm run, with the start of the server: {first.wall:.1f} s", flush=True)
        found: dict[str, list[Measured]] = {"cold": [], "warm": []}
        for _ in range(given.runs):
            for kernel, runs in found.items():
                runs.append(measure(plan, host, Path(folder), kernel))
    print("| kernel | runs | all, s | wall, s | overhead, s | private, MB | share (PSS), MB |")
    print("|---|---|---|---|---|---|---|")
    for kernel, runs in found.items():
        print(row(kernel, runs))
    gains = [c.wall - w.wall for c, w in zip(found["cold"], found["warm"], strict=True)]
    print(f"a warm run is shorter by {statistics.median(gains):.1f} s (median of pairs)")


if __name__ == "__main__":
    main()
