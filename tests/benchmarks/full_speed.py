"""Full fine-tuning: tunebook against a plain Trainer, in turn, in one process.

    python tests/benchmarks/full_speed.py [TRAIN_PER_CLASS] [EPOCHS] [BATCH_SIZE]

The plain Trainer is what one writes by hand: AutoModelForSequenceClassification, fp32, dynamic
padding, its default AdamW and random batches. Batch size, epochs, rate and data are the same.
The speed of a virtual machine drifts by a third within minutes, so the contenders take turns of
a few steps: each trains in a process of its own, and one of them runs at a time.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
from machine import heading
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import tunebook as tb
from tunebook.config import EvaluationConfig
from tunebook.contracts import Predictions
from tunebook.data.dataset import Dataset
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.report import evaluate
from tunebook.events import Event, StepTaken
from tunebook.forms.logistic import softmax
from tunebook.host import PluginHost
from tunebook.models.load import load_tokenizer
from tunebook.models.resolve import resolve_model
from tunebook.runner import run_case

PER_CLASS = int(sys.argv[1]) if len(sys.argv) > 1 else 128
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 4
BATCH = int(sys.argv[3]) if len(sys.argv) > 3 else 16
RATE = 1e-4
TURN = 12
"""Steps of a turn."""


class Turns:
    """A contender's side of the turns: tells the seconds of one and waits for the next."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.wait()

    def wait(self) -> None:
        self.pipe.recv()
        self.began = time.perf_counter()

    def after_step(self, step: int) -> None:
        if step % TURN == 0:
            self.pipe.send(time.perf_counter() - self.began)
            self.wait()


AfterStep = Callable[[int], None]


class TellSteps(TrainerCallback):
    def __init__(self, after_step: AfterStep) -> None:
        self.after_step = after_step

    def on_step_end(self, args, state, control, **_) -> None:  # noqa: ARG002 - names are its API
        self.after_step(state.global_step)


class Texts:
    """A split as a plain list of encodings."""

    def __init__(self, tokenizer, texts, targets) -> None:
        self.rows = [tokenizer(text, truncation=True, max_length=64) for text in texts]
        self.targets = targets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict:
        return dict(self.rows[row]) | {"labels": int(self.targets[row])}


def plain(data: Dataset, folder: Path, after_step: AfterStep) -> np.ndarray:
    """Returns test probabilities of a plain Trainer."""
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
        callbacks=[TellSteps(after_step)],
    )
    trainer.train()
    return softmax(trainer.predict(parts["test"]).predictions)


def ours(embeddings: str, dropout: float | None, folder: Path, after_step: AfterStep) -> np.ndarray:
    """Returns test probabilities of tunebook."""
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

    def listen(event: Event) -> None:
        if isinstance(event, StepTaken):
            after_step(event.step)

    run = run_case(case, runs_dir=folder, listeners=[listen])
    frame = pd.read_parquet(run.directory.predictions)
    return frame[[f"p:{name}" for name in run.report.classes]].to_numpy()


CONTENDERS = {
    "plain Trainer": plain,
    "tunebook": lambda _, *rest: ours("train", None, *rest),
    "tunebook, embeddings frozen": lambda _, *rest: ours("freeze", None, *rest),
    "the same, hidden_dropout 0": lambda _, *rest: ours("freeze", 0.0, *rest),
}


def contend(name: str, folder: Path, pipe: Connection) -> None:
    """Runs in a process of its own: trains in turns, then sends test probabilities."""
    data = tb.load_dataset(tb.load_case("medical_coding", train_per_class=PER_CLASS))
    turns = Turns(pipe)
    pipe.send(CONTENDERS[name](data, folder, turns.after_step))


def race(folder: Path) -> tuple[dict[str, list[float]], dict[str, np.ndarray]]:
    """Returns the seconds of each turn, and test probabilities, of every contender."""
    processes = get_context("spawn")
    pipes = {}
    for name in CONTENDERS:
        pipes[name], theirs = processes.Pipe()
        processes.Process(target=contend, args=(name, folder / name, theirs), daemon=True).start()
        theirs.close()
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    shares: dict[str, np.ndarray] = {}
    while len(shares) < len(CONTENDERS):
        for name in [name for name in CONTENDERS if name not in shares]:
            pipes[name].send("your turn")
            answer = pipes[name].recv()
            if isinstance(answer, float):
                seconds[name].append(answer)
            else:
                shares[name] = answer
    return seconds, shares


def main() -> None:
    print(heading())
    data = tb.load_dataset(tb.load_case("medical_coding", train_per_class=PER_CLASS))
    print(f"{len(data.texts('train')):,} training texts, {EPOCHS} epochs, batch {BATCH}")
    with tempfile.TemporaryDirectory() as folder:
        seconds, shares = race(Path(folder))
    host = PluginHost()
    metric = host.create("metric", host.get("metric", "f1").config())
    for name, each in seconds.items():
        # the first turn holds loading and the kernels' first shapes, and is left out of the ratio
        ratios = [s / o for o, s in zip(each[1:], seconds["plain Trainer"][1:], strict=True)]
        report = evaluate(
            Predictions(data.targets("test"), shares[name], data.classes),
            metrics=[metric],
            baselines=[BaselinePredictions("plain", "plain", shares["plain Trainer"], 0.0)],
            groups=data.groups("test"),
            config=EvaluationConfig(),
            split="test",
            grouped=True,
            seed=0,
        )
        against = next(c.difference for c in report.comparisons if c.score == "macro_f1")
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{name:<28} {TURN * BATCH * len(each[1:]) / sum(each[1:]):6.1f} examples/s  "
            f"{middle:4.2f}x (quartiles of {len(ratios)} turns {low:.2f}-{high:.2f})  "
            f"macro-F1 {report.scores['macro_f1']}  minus plain {against}"
        )


if __name__ == "__main__":
    main()
