"""Batches of made-up runs: real files as a run writes them, without a training."""

import hashlib
import json
from functools import lru_cache

import numpy as np
import pandas as pd

from tunebook.batch.entry import Entry
from tunebook.batch.folder import BatchFolder, BatchLog, BatchPlanFile
from tunebook.batch.plan import entry_key
from tunebook.batch.states import Change
from tunebook.config import Bootstrap, EvaluationConfig, TaskConfig
from tunebook.contracts import Predictions, RegressionPredictions
from tunebook.evaluation.predictions import predictions_frame, write_predictions
from tunebook.evaluation.report import evaluate
from tunebook.forms import form_of
from tunebook.records import RunDirectory, RunRecord, TaskRecord
from tunebook_plugins.metrics.classification.impl import F1, Accuracy
from tunebook_plugins.metrics.regression.impl import Mae

CLASSES = ("blood", "bone", "skin")
QUICK = Bootstrap(resamples=100)
PROBLEM = {"code": "run.notebook_failed", "where": "n", "expected": "e", "found": "bad", "fix": "x"}


def add_run(
    folder,
    parameters,
    *,
    skill=1.0,
    case="tickets",
    rows=120,
    test=0,
    grouped=True,
    validation=None,
    seconds=10.0,
    share=0.5,
    noise=None,
    tasks=(),
    make_report=None,
    split="test",
):
    """Writes one finished run into a batch's folder and returns its entry.

    Args:
        folder: The batch.
        parameters: What the plan set.
        skill: How much the model knows.
        test: Which test set it is scored on.
        noise: Seed of what is random about the model; by default that of its parameters.
        tasks: Names of tasks, each as good as the run.
        split: What the report says the rows to be.
    """
    key = hashlib.sha256(json.dumps([case, parameters]).encode()).hexdigest()[:12]
    noise = int(key[:6], 16) if noise is None else noise
    run = RunDirectory(folder / "runs" / f"20260101-000000-{key}")
    run.path.mkdir(parents=True)
    write = make_report or classification
    reports = {
        name: write(run.of_task(name), skill, rows, test, grouped, noise + number)
        for number, name in enumerate(tasks or ("",))
    }
    reports = {name: each.model_copy(update={"split": split}) for name, each in reports.items()}
    validation = skill / 2 if validation is None else validation
    report = reports.get("")
    record = RunRecord(
        run_id=run.run_id,
        case=case,
        strategy=str(parameters.get("strategy", "full")),
        seed=parameters.get("seed", 0),
        status="succeeded",
        started=0.0,
        finished=seconds + 1,
        data={"splits": {"train": 90, "validation": 30, "test": rows}, "fingerprint": key},
        parameters={"trainable": 10, "total": 20, "share": share},
        training={"best": validation, "best_step": 1},
        seconds={"training": seconds, "total": seconds + 1},
        peak_memory_mb=500.0,
        report=report,
        tasks={} if report else {name: TaskRecord(report=each) for name, each in reports.items()},
    )
    run.write_record(record)
    metrics = [{"kind": "mae"}] if write is regression else [{"kind": "accuracy"}, {"kind": "f1"}]
    kind = "regression" if write is regression else "text_classification"
    run.write_case({"task": {"kind": kind}, "metrics": metrics, "tasks": {n: {} for n in tasks}})
    scores = {f"{name}.macro_f1".lstrip("."): validation for name in reports} | {"accuracy": 0.4}
    event = {"type": "evaluation", "step": 1, "best": True, "scores": scores}
    run.events_file.write_text(json.dumps(event) + "\n")
    return Entry(key, case, parameters, "succeeded", run, 1)


def entry(parameters, state="queued", *, case="tickets", run=None, **problem):
    key = hashlib.sha256(json.dumps([case, parameters]).encode()).hexdigest()[:12]
    error = {"type": "TrainingError", "exit_code": 4, "problems": [problem]} if problem else None
    return Entry(key, case, parameters, state, run, 1 if run else 0, error)


def save(runs_dir, kinds, *, failed=True):
    """Writes a batch as `tunebook batch` leaves it: plan, log, and finished runs."""
    folder = BatchFolder(runs_dir / "batches" / "tickets-0")
    folder.path.mkdir(parents=True)
    done = [
        add_run(
            folder.path,
            {"strategy": kind, "training.learning_rate": rate, "seed": seed},
            skill=skill,
            seconds=10 * skill + seed,
            share=skill / 4,
        )
        for kind, skill in kinds.items()
        for rate in (1e-4, 1e-3)
        for seed in (0, 1)
    ]
    others = [{"strategy": "bad"}, {"strategy": "late"}] if failed else []
    waiting = [Entry("", "tickets", parameters) for parameters in others]
    entries = [
        Entry(entry_key(e.case, e.parameters), e.case, e.parameters) for e in (*done, *waiting)
    ]
    folder.write_plan(BatchPlanFile("tickets", {}, tuple(entries)))
    log = BatchLog(folder)
    for of, each in zip(done, entries, strict=False):
        log.append(Change(each.key, "running", of.run))
        log.append(Change(each.key, "succeeded"))
    if failed:
        log.append(Change(entries[-2].key, "running"))
        error = {"type": "TrainingError", "exit_code": 4, "problems": [PROBLEM]}
        log.append(Change(entries[-2].key, "failed", None, error))
    return folder


@lru_cache
def _texts(rows, test, grouped):
    rng = np.random.default_rng([7, test])
    labels = [CLASSES[n] for n in rng.integers(0, len(CLASSES), rows)]
    frame = {
        "id": [f"{test}-{n}" for n in range(rows)],
        "text": [f"text {n} of {test}" for n in range(rows)],
        "label": labels,
    }
    return pd.DataFrame(frame | ({"group": [f"g{n // 3}" for n in range(rows)]} if grouped else {}))


def classification(place, skill, rows, test, grouped, noise):
    """Writes predictions of classes and returns their report."""
    form = form_of(TaskConfig(), CLASSES)
    texts = _texts(rows, test, grouped)
    targets = form.targets(texts["label"].tolist())
    # most of what is hard about a text is hard for every model
    hard = np.random.default_rng([3, test]).normal(size=(rows, 3))
    scores = hard + 0.5 * np.random.default_rng(noise).normal(size=(rows, 3))
    scores[np.arange(rows), targets] += 2 * skill
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return _write(place, texts, Predictions(targets, shares, CLASSES), form, [Accuracy(), F1()])


def regression(place, skill, rows, test, grouped, noise):
    """Writes predictions of numbers and returns their report; the error falls with skill."""
    form = form_of(TaskConfig(kind="regression"))
    rng = np.random.default_rng([7, test])
    texts = _texts(rows, test, grouped).assign(label=rng.normal(size=rows))
    targets = texts["label"].to_numpy()
    wrong = np.random.default_rng(noise).normal(size=rows) / (1 + skill)
    said = RegressionPredictions(targets, targets + wrong)
    return _write(place, texts, said, form, [Mae()], primary="mae")


def _write(place, texts, predictions, form, metrics, primary="macro_f1"):
    place.path.mkdir(parents=True, exist_ok=True)
    frame = predictions_frame(texts, predictions, form)
    write_predictions(frame, form, place.predictions, place.errors)
    groups = frame["group"].to_numpy(dtype=object) if "group" in frame else None
    return evaluate(
        predictions,
        metrics=metrics,
        baselines=[],
        groups=groups,
        config=EvaluationConfig(primary=primary, bootstrap=QUICK),
        split="test",
        grouped=groups is not None,
        seed=0,
    )
