"""`run_case`: the only place where data, model, strategy, training and evaluation meet."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tunebook.config import CaseConfig
from tunebook.contracts import Prepared
from tunebook.data.dataset import Dataset, texts_of
from tunebook.data.loading import load_dataset
from tunebook.environment import hardware, package_versions, peak_memory_mb
from tunebook.errors import (
    TunebookError,
)
from tunebook.evaluation.baselines import fit_baselines
from tunebook.evaluation.gallery import save_gallery
from tunebook.evaluation.html import write_report
from tunebook.evaluation.predictions import predictions_frame, write_predictions
from tunebook.evaluation.report import evaluate
from tunebook.events import EventLog, Listener, Noted, RunEnded, StageStarted
from tunebook.forms import TaskForm
from tunebook.host import PluginHost, plugin_versions
from tunebook.outcomes import UsedPlugin, home_of, recorded
from tunebook.progress import progress_listener
from tunebook.records import CurvePoint, EvalReport, RunDirectory, RunRecord
from tunebook.runs import Run
from tunebook.schema import CaseSchema, is_minimised, plugin_configs
from tunebook.subject import Subject, draw_documents, seed_everything
from tunebook.tasks.text_classification import count_parameters
from tunebook.training.loop import TrainingJob, TrainingResult, train
from tunebook.training.precision import choose_precision
from tunebook.training.predict import predict_logits

EXAMPLES = 12
"""Mistakes that the report shows."""


def run_case(
    case: CaseConfig,
    host: PluginHost | None = None,
    *,
    runs_dir: str | Path | None = None,
    listeners: Iterable[Listener] | None = None,
) -> Run:
    """Runs a case: data, model, strategy, training, honest evaluation, a record on disk.

    Args:
        case: A validated case, see `tunebook.load_case`.
        host: Plugins; all installed ones when None.
        runs_dir: Where run directories are made; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.
            Under `tunebook run` the directory is given by the command.
        listeners: Told of every event; a progress display when None.

    Raises:
        TunebookError: Whatever went wrong; the record on disk says the same.
    """
    host = host or PluginHost()
    directory = _directory(case, runs_dir)
    shown = [progress_listener()] if listeners is None else listeners
    execution = Execution(case, host, directory, EventLog(directory.events_file, shown))
    with recorded(execution.directory.path, execution.fail, _used_plugins(case, host)):
        execution.go()
    return Run(directory)


def trace_learning_curve(
    run: Run, host: PluginHost | None = None, *, listeners: Iterable[Listener] | None = None
) -> Run:
    """Repeats a run at the training-set sizes of its case and adds the curve to its record.

    All points are scored on the same test rows. The size of the run itself is not repeated.
    The other runs lie in ``curve/`` of its directory.

    Raises:
        TunebookError: A point went wrong; the run itself stays as it was.
    """
    host = host or PluginHost()
    case = _read_case(run, host)
    directory = run.directory
    points = []
    for size in case.evaluation.learning_curve:
        point = run
        if size != case.train_per_class:
            changed = case.updated(train_per_class=size)
            below = RunDirectory.create(directory.path / "curve", case.name, f"n{size or 'all'}")
            shown = [progress_listener()] if listeners is None else listeners
            execution = Execution(changed, host, below, EventLog(below.events_file, shown))
            execution.log(StageStarted("learning curve", f"{size or 'all'} per class"))
            plugins = _used_plugins(changed, host)
            with recorded(execution.directory.path, execution.fail, plugins):
                execution.go(pictures=False)
            shutil.rmtree(below.model, ignore_errors=True)
            point = Run(below)
        points.append(_curve_point(size, point))
    if points:
        directory.write_record(run.record.updated(learning_curve=tuple(points)))
        write_pictures(Run(directory))
    return Run(directory)


def write_pictures(run: Run) -> None:
    """Draws the pictures of a run and writes its HTML report, from what lies on disk."""
    save_gallery(run.directory, run.record, run.events)
    examples = run.errors(EXAMPLES).to_dict("records")
    write_report(run.directory, run.record, run.case, examples)


@dataclass
class Execution:
    """One run in progress. Stages are methods, in order; each is timed."""

    case: CaseConfig
    host: PluginHost
    directory: RunDirectory
    log: EventLog
    record: RunRecord = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record = RunRecord(
            run_id=self.directory.run_id,
            case=self.case.name,
            strategy=self.case.strategy.kind,
            seed=self.case.seed,
            started=time.time(),
            versions=package_versions(),
            plugins=_plugins(self.case, self.host),
        )

    def go(self, *, pictures: bool = True) -> None:
        """Runs all stages."""
        self.directory.write_case(self.case.to_json_dict())
        self.write(hardware=hardware())
        self.notify("tunebook_run_started", run=self.record)
        seed_everything(self.case.seed)
        precision = choose_precision(self.case.training.precision)
        with self.stage("data"):
            dataset = load_dataset(self.case, self.host)
        self.write(data=_about_data(dataset), precision=vars(precision))
        with self.stage("model"):
            subject = Subject.build(self.case, self.host, dataset, precision, self.note)
        self.write(model=subject.about())
        self.pretrain(subject)
        with self.stage("strategy"):
            prepared = subject.prepare()
        self.prepared(prepared)
        with self.stage("training"):
            result = self.train(subject, prepared)
        with self.stage("evaluation"):
            report = self.evaluate(subject, prepared)
        self.write(
            training=self.record.training | result.to_dict(),
            report=report,
            data=self.record.data | {"shortened_texts": subject.shortened},
        )
        self.notify("tunebook_evaluated", run=self.record, report=report)
        with self.stage("saving"):
            subject.save(self.directory.model, prepared)
        self.finish("succeeded")
        if pictures:
            with self.stage("report"):
                write_pictures(Run(self.directory))
        self.log(RunEnded("succeeded"))
        self.notify("tunebook_run_finished", run=self.record, record=self.record)

    def pretrain(self, subject: Subject) -> None:
        """Pretrains the backbone where the case asks for it."""
        if self.case.pretraining is not None:
            with self.stage("pretraining"):
                about = subject.pretrain(self.directory.checkpoints, self.log)
            self.write(training={"pretraining": about})

    def prepared(self, prepared: Prepared) -> None:
        """Records what the strategy made of the model."""
        self.write(parameters=count_parameters(prepared.model))
        self.notify("tunebook_model_prepared", run=self.record, summary=self.record.parameters)

    def train(self, subject: Subject, prepared: Prepared) -> TrainingResult:
        """Trains the prepared model, after the stages that its strategy wants before."""
        if prepared.before is not None:
            stages = subject.stages(prepared, self.directory.checkpoints, self.log)
            about = dict(prepared.before(stages))
            self.write(training=self.record.training | about)
        inputs = {name: subject.inputs(name, prepared) for name in ("train", "validation")}
        validation = draw_documents(inputs["validation"], self.case)
        targets, form = validation.targets, subject.dataset.form
        result = train(
            TrainingJob(
                prepared=prepared,
                train=inputs["train"],
                validation=validation,
                score=lambda logits: self.score(logits, targets, form),
                primary=self.case.evaluation.primary,
                config=self.case.training,
                precision=subject.precision,
                seed=self.case.seed,
                folder=self.directory.checkpoints,
                loss=form.loss(self.case.training, subject.dataset.targets("train")),
                minimise=is_minimised(self.host, self.case),
                log=self.log,
            )
        )
        shutil.rmtree(self.directory.checkpoints, ignore_errors=True)
        return result

    def score(self, logits: np.ndarray, targets: np.ndarray, form: TaskForm) -> dict[str, float]:
        """Returns every score of the case's metrics."""
        predictions = form.predictions(targets, form.decode(logits))
        return {
            name: float(value)
            for config in self.case.metrics
            for name, value in self.host.create("metric", config)
            .compute(predictions)
            .scores.items()
        }

    def evaluate(self, subject: Subject, prepared: Prepared) -> EvalReport:
        """Scores the test split, once, beside the baselines."""
        dataset, config = subject.dataset, self.case.evaluation
        logits = predict_logits(
            prepared.model,
            subject.inputs("test", prepared),
            self.case.training.eval_batch_size,
            subject.precision,
        )
        form = dataset.form
        predictions = form.predictions(dataset.targets("test"), form.decode(logits))
        write_predictions(
            predictions_frame(dataset.split("test"), predictions, form),
            form,
            self.directory.predictions,
            self.directory.errors,
        )
        return evaluate(
            predictions,
            metrics=[self.host.create("metric", m) for m in self.case.metrics],
            baselines=_baselines(dataset, self.case),
            groups=dataset.groups("test"),
            config=config,
            split="test",
            grouped=dataset.grouped,
            seed=self.case.seed,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage and tells of it."""
        self.log(StageStarted(name))
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.write(seconds=self._seconds())

    def write(self, **changes: Any) -> None:
        """Writes the record with `changes`."""
        self.record = self.record.updated(**changes, peak_memory_mb=round(peak_memory_mb(), 1))
        self.directory.write_record(self.record)

    def note(self, text: str) -> None:
        """Tells of something in the events."""
        self.log(Noted(text))

    def warn(self, text: str) -> None:
        """Adds a warning to the record and the events."""
        self.record = self.record.updated(warnings=(*self.record.warnings, text))
        self.log(Noted(text, "warning"))

    def notify(self, hook: str, **arguments: Any) -> None:
        """Calls observers; what they raise becomes a warning."""
        for failure in self.host.notify(hook, **arguments):
            self.warn(failure)

    def finish(self, status: str, error: TunebookError | None = None) -> None:
        """Writes the last state of the record."""
        self.write(
            status=status,
            finished=time.time(),
            seconds=self._seconds(),
            error=error.to_dict() if error else None,
        )

    def fail(self, status: str, error: TunebookError) -> None:
        """Writes how the run ended before its end."""
        self.finish(status, error)
        self.log(RunEnded(status, error.problems[0].code))
        self.notify("tunebook_run_failed", run=self.record, record=self.record, error=error)

    def _seconds(self) -> dict[str, float]:
        return self.seconds | {"total": round(time.time() - self.record.started, 3)}


def _directory(case: CaseConfig, runs_dir: str | Path | None) -> RunDirectory:
    given = os.environ.get("TUNEBOOK_RUN_DIR")
    if given and runs_dir is None:
        directory = RunDirectory(Path(given))
        if directory.path.is_dir() and not directory.events_file.exists():
            return directory
    root = Path(runs_dir or os.environ.get("TUNEBOOK_RUNS_DIR") or "runs").resolve()
    return RunDirectory.create(root, case.name, f"{case.strategy.kind}-s{case.seed}")


def _plugins(case: CaseConfig, host: PluginHost) -> dict[str, str]:
    used: dict[str, list[str]] = {}
    for kind, config in plugin_configs(case):
        used.setdefault(kind, []).append(config.kind)
    return plugin_versions(host, used)


def _used_plugins(case: CaseConfig, host: PluginHost) -> list[UsedPlugin]:
    """Returns the plugins of a case, each under the name that the host has for it."""
    used = {
        (kind, config.kind): host.get(kind, config.kind) for kind, config in plugin_configs(case)
    }
    return [
        UsedPlugin(kind, host.named(kind, name), home_of(plugin.factory))
        for (kind, name), plugin in used.items()
    ]


def _read_case(run: Run, host: PluginHost) -> CaseConfig:
    return CaseSchema(host).validate(run.directory.read_case())


def _about_data(dataset: Dataset) -> dict[str, Any]:
    """Returns what the record says of the data; class counts are by class, then by split."""
    provenance = dict(dataset.provenance)
    return provenance | dataset.summary() | {"class_counts": provenance.get("classes", {})}


def _baselines(dataset: Dataset, case: CaseConfig) -> list[Any]:
    """Fits the baselines on the same records, before augmentation, rare classes lifted or not."""
    balanced = case.training.class_weights != "none"
    train_rows = dataset.split("train")
    original = (train_rows["origin"] == "original").to_numpy()
    return fit_baselines(
        texts_of(train_rows[original]),
        dataset.targets("train")[original],
        texts_of(dataset.split("test")),
        dataset.form,
        names=case.evaluation.baselines,
        tfidf_features=case.evaluation.tfidf_features,
        class_weights="balanced" if balanced else "none",
    )


def _curve_point(size: int | None, run: Run) -> CurvePoint:
    report = run.report
    return CurvePoint(
        train_per_class=size,
        train_rows=int(run.record.data["splits"]["train"]),
        run_id=run.id,
        seconds=run.record.seconds["total"],
        scores=report.scores,
        baselines=report.baselines,
        comparisons=report.comparisons,
    )
