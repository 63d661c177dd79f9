"""Ten epochs of a head: on cached features, and on the same frozen backbone without the cache.

python tests/benchmarks/feature_cache.py
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from machine import heading

import tunebook as tb
from tunebook.events import EventLog
from tunebook.host import PluginHost
from tunebook.subject import Subject, seed_everything
from tunebook.training.loop import TrainingJob, train
from tunebook.training.precision import choose_precision

EPOCHS = 10


def main() -> None:
    print(heading())
    host = PluginHost()
    case = tb.load_case(
        "medical_coding",
        strategy="feature_extraction",
        overrides={
            "training.epochs": EPOCHS,
            "training.min_steps": 0,
            "training.evaluations": 1,
            "head.dropout": 0.0,
        },
    )
    precision = choose_precision("auto")
    data = tb.load_dataset(case, host)
    results = {}
    for cached in (True, False):
        seed_everything(0)
        subject = Subject.build(case, host, data, precision)
        prepared = replace(subject.prepare(), cache_features=cached)
        with tempfile.TemporaryDirectory() as folder:
            results[cached] = train(
                TrainingJob(
                    prepared=prepared,
                    train=subject.inputs("train", prepared),
                    validation=subject.inputs("validation", prepared),
                    score=lambda logits: {"macro_f1": float(logits.mean())},
                    primary="macro_f1",
                    config=case.training,
                    precision=precision,
                    seed=0,
                    folder=Path(folder),
                    log=EventLog(None),
                )
            )
    seconds = {
        cached: (result.seconds - result.evaluation_seconds) / EPOCHS
        for cached, result in results.items()
    }
    print(f"{len(data.texts('train')):,} texts, batch {case.training.batch_size}, {EPOCHS} epochs")
    print(f"uncached {seconds[False]:.3f} s an epoch, cached {seconds[True]:.3f} s an epoch")
    print(f"ratio {seconds[False] / seconds[True]:.1f}x (the one computation not included)")


if __name__ == "__main__":
    main()
