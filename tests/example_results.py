"""A small result to look at: texts of several classes, a fair model and two baselines."""

import time

import numpy as np

from tunebook.config import Bootstrap, EvaluationConfig
from tunebook.contracts import Predictions
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.report import evaluate
from tunebook.records import CurvePoint, RunRecord
from tunebook_plugins.metrics.classification.impl import F1, Accuracy, ConfusionMatrix, RocAuc

METRICS = (Accuracy(), F1(), RocAuc(), ConfusionMatrix())
CONFIG = EvaluationConfig(bootstrap=Bootstrap(resamples=200))


def make_predictions(classes, n=240, skill=1.0, seed=0):
    rng = np.random.default_rng(seed)
    k = len(classes)
    targets = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    scores = rng.normal(size=(n, k))
    scores[np.arange(n), targets] += 3 * skill
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return Predictions(targets, shares, tuple(classes))


def make_report(classes=("blood", "bone", "skin"), *, groups=None, **changes):
    predictions = make_predictions(classes)
    weaker = make_predictions(classes, skill=0.4, seed=1)
    shares = np.tile(np.bincount(predictions.targets) / 240, (240, 1))
    arguments = {
        "metrics": METRICS,
        "baselines": [
            BaselinePredictions("majority", "Majority class", shares, 0.0),
            BaselinePredictions("tfidf", "TF-IDF + logistic regression", weaker.probabilities, 1.5),
        ],
        "groups": groups,
        "config": CONFIG,
        "split": "test",
        "grouped": groups is not None,
        "seed": 0,
    }
    return evaluate(predictions, **arguments | changes)


def make_record(report, **changes):
    points = () if report is None else tuple(make_point(report, n) for n in (8, 32, None))
    filled = {
        "run_id": "20260101-000000-lora-abcd",
        "case": "tickets",
        "strategy": "lora",
        "seed": 3,
        "status": "succeeded",
        "started": time.time(),
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "data": {
            "card": {"title": "Tickets", "licence": "CC0", "how_split": "by customer"},
            "splits": {"train": 100, "validation": 20, "test": 240},
            "groups": {"train": 10, "validation": 3, "test": 4},
            "findings": [
                {"code": "data.duplicates", "text": "Three texts came twice.", "count": 3}
            ],
        },
        "parameters": {"trainable": 1000, "total": 20_000, "share": 0.05},
        "precision": {"name": "bf16", "why": "the CPU accelerates bf16"},
        "seconds": {"training": 12.3},
        "peak_memory_mb": 1234.5,
        "report": report,
        "learning_curve": points,
    }
    return RunRecord(**filled | changes)


def make_point(report, per_class):
    return CurvePoint(
        train_per_class=per_class,
        train_rows=(per_class or 100) * len(report.classes),
        run_id="x",
        seconds=1.0,
        scores=report.scores,
        baselines=report.baselines,
        comparisons=report.comparisons,
    )
