"""What the cache saves: runs that fill it against runs that read it, taking turns.

python tests/benchmarks/shared_work.py [STRATEGY [PRESET]]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

from machine import heading

import tunebook as tb
from tunebook.cache import contents, held_bytes
from tunebook.cache.places import cache_root
from tunebook.runs import Run

TURNS = 2
STAGES = ("model", "strategy", "training", "evaluation", "total")


def main(strategy: str = "feature_extraction", preset: str = "smoke") -> None:
    print(heading())
    case = tb.load_case("medical_coding", preset=preset, strategy=strategy)
    folder = tempfile.mkdtemp(prefix="tunebook-shared-")
    ratios, first = [], None
    for turn in range(TURNS):
        os.environ["TUNEBOOK_CACHE"] = f"{folder}/{turn}"
        fills, reads = (tb.run_case(case, runs_dir=folder, listeners=[]) for _ in range(2))
        first = first or fills
        same = fills.record.outputs == reads.record.outputs == first.record.outputs
        print(f"turn {turn + 1}: {told(fills)}\n     then {told(reads)}, same bits: {same}")
        ratios.append(fills.record.seconds["total"] / reads.record.seconds["total"])
        reused = sum(each.seconds for each in reads.record.reused)
        print(f"     {len(reads.record.reused)} things reused, {reused:.1f} s of computing")
    print(f"{strategy}, {preset}: {statistics.median(ratios):.2f}x as fast with a filled cache")
    hashing()


def told(run: Run) -> str:
    return ", ".join(f"{stage} {run.record.seconds[stage]:.1f} s" for stage in STAGES)


def hashing() -> None:
    """Prints what it costs to see that the entries are whole."""
    items = contents(cache_root())
    started = time.perf_counter()
    whole = [i.manifest is not None and i.entry.whole(i.manifest, anew=True) for i in items]
    seconds = time.perf_counter() - started
    size = held_bytes(items) / 1e6
    print(f"{sum(whole)} of {len(items)} entries whole: {size:.1f} MB hashed in {seconds:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
