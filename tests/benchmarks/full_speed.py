"""Full fine-tuning: tunebook against a plain Trainer, in turn, in one process.

    python tests/benchmarks/full_speed.py [TRAIN_PER_CLASS] [EPOCHS] [ROUNDS]

The plain Trainer is what one writes by hand: AutoModelForSequenceClassification, fp32, dynamic
padding, its default AdamW and random batches. Batch size, epochs, rate and data are the same.
Rounds are run in turn, since a virtual machine's speed drifts; scores are of the last round.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import heading
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

import tunebook as tb
from tunebook.config import EvaluationConfig
from tunebook.contracts import Predictions
from tunebook.data.dataset import Dataset
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.report import evaluate
from tunebook.host import PluginHost
from tunebook.models.load import load_tokenizer
from tunebook.models.resolve import resolve_model
from tunebook.runner import run_case
from tunebook.training.predict import probabilities

PER_CLASS = int(sys.argv[1]) if len(sys.argv) > 1 else 128
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 4
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 1
RATE, BATCH = 1e-4, 16


class Texts:
    """A split as a plain list of encodings."""

    def __init__(self, tokenizer, texts, targets) -> None:
        self.rows = [tokenizer(text, truncation=True, max_length=64) for text in texts]
        self.targets = targets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict:
        return dict(self.rows[row]) | {"labels": int(self.targets[row])}


def plain(data: Dataset, folder: Path) -> tuple[float, np.ndarray]:
    """Returns examples per second and test probabilities of a plain Trainer."""
    host = PluginHost()
    model = resolve_model(host.create("model", host.get("model", "minilm").config()).files())
    tokenizer = load_tokenizer(model.folder)
    parts = {
        name: Texts(tokenizer, data.texts(name), data.targets(name)) for name in ("train", "test")
    }
    trainer = Trainer(
        AutoModelForSequenceClassification.from_pretrained(
            str(model.folder), num_labels=len(data.classes)
        ),
        TrainingArguments(
            str(folder),
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=64,
            learning_rate=RATE,
            seed=0,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=parts["train"],
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    started = time.perf_counter()
    trainer.train()
    speed = len(parts["train"]) * EPOCHS / (time.perf_counter() - started)
    return speed, probabilities(trainer.predict(parts["test"]).predictions)


def ours(embeddings: str, dropout: float | None, folder: Path) -> tuple[float, np.ndarray]:
    """Returns examples per second and test probabilities of tunebook."""
    case = tb.load_case(
        "medical_coding",
        train_per_class=PER_CLASS,
        overrides={
            "strategy.embeddings": embeddings,
            "training.hidden_dropout": dropout,
            "training.epochs": EPOCHS,
            "training.batch_size": BATCH,
            "training.learning_rate": RATE,
            "training.max_steps": None,
            "training.evaluations": 1,
            "training.restore_best": False,
            "evaluation.baselines": [],
        },
    )
    run = run_case(case, runs_dir=folder, listeners=[])
    import pandas as pd

    frame = pd.read_parquet(run.directory.predictions)
    columns = [f"p:{name}" for name in run.report.classes]
    return run.record.training["examples_per_second"], frame[columns].to_numpy()


def main() -> None:
    print(heading())
    data = tb.load_dataset(tb.load_case("medical_coding", train_per_class=PER_CLASS))
    print(f"{len(data.texts('train')):,} training texts, {EPOCHS} epochs, batch {BATCH}")
    speeds: dict[str, list[float]] = {}
    shares: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for name, measure in CONTENDERS.items():
                speed, shares[name] = measure(data, Path(folder))
                speeds.setdefault(name, []).append(speed)
    reference = shares["plain Trainer"]
    host = PluginHost()
    metric = host.create("metric", host.get("metric", "f1").config())
    for name, each in speeds.items():
        ratios = [speed / slow for speed, slow in zip(each, speeds["plain Trainer"], strict=True)]
        report = evaluate(
            Predictions(data.targets("test"), shares[name], data.classes),
            metrics=[metric],
            baselines=[BaselinePredictions("plain", "plain Trainer", reference, 0.0)],
            groups=data.groups("test"),
            config=EvaluationConfig(),
            split="test",
            grouped=True,
            seed=0,
        )
        against = next(c.difference for c in report.comparisons if c.score == "macro_f1")
        print(
            f"{name:<28} {statistics.median(each):6.1f} examples/s  "
            f"{statistics.median(ratios):4.2f}x ({', '.join(f'{r:.2f}' for r in ratios)})  "
            f"macro-F1 {report.scores['macro_f1']}  minus plain {against}"
        )


CONTENDERS = {
    "plain Trainer": plain,
    "tunebook": lambda _, folder: ours("train", None, folder),
    "tunebook, embeddings frozen": lambda _, folder: ours("freeze", None, folder),
    "the same, hidden_dropout 0": lambda _, folder: ours("freeze", 0.0, folder),
}


if __name__ == "__main__":
    main()
