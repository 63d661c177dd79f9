"""`run_case`: the only place where data, model, strategy, training and evaluation meet."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tunebook.config import ALONE, CaseConfig
from tunebook.contracts import Prepared
from tunebook.data.dataset import Dataset, texts_of
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
from tunebook.records import CurvePoint, EvalReport, RunDirectory, RunRecord, TaskRecord
from tunebook.rules import is_minimised
from tunebook.runs import Run
from tunebook.schema import CaseSchema, plugin_configs
from tunebook.subject import Subject, draw_documents, seed_everything
from tunebook.subjects import Subjects, load_datasets, trained_elsewhere
from tunebook.tasks.text_classification import count_parameters
from tunebook.training import processes
from tunebook.training.loop import TrainingJob, TrainingResult, joint_job, train
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
    for each in (*run.tasks.values(), run):
        examples = [] if each.tasks else each.errors(EXAMPLES).to_dict("records")
        save_gallery(each.place, each.record, [] if each.task_name else each.events)
        write_report(each.place, each.record, each.case, examples)


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
        self.write(hardware=hardware() | processes.about())
        self.notify("tunebook_run_started", run=self.record)
        seed_everything(self.case.seed)
        precision = choose_precision(self.case.training.precision)
        with self.stage("data"):
            datasets = load_datasets(self.case, self.host)
        about = {name: _about_data(dataset) for name, dataset in datasets.items()}
        self.write_tasks({name: TaskRecord(data=data) for name, data in about.items()})
        for name, texts in trained_elsewhere(datasets).items():
            self.warn(f"{texts} texts that task {name} is judged by are trained on in another task")
        self.write(precision=vars(precision))
        with self.stage("model"):
            subjects = Subjects.build(self.case, self.host, datasets, precision, self.note)
        self.write(model=subjects.first.about())
        self.pretrain(subjects)
        with self.stage("strategy"):
            prepared = subjects.prepare()
        self.prepared(prepared)
        with self.stage("training"):
            result = self.train(subjects, prepared)
        if not processes.is_first():
            return  # the rest is for one process
        with self.stage("evaluation"):
            reports = {
                name: self.evaluate(name, subject, subjects.of_task(name, prepared))
                for name, subject in subjects.items()
            }
        self.write_tasks(
            {
                name: TaskRecord(
                    data=about[name] | {"shortened_texts": subject.shortened},
                    report=reports[name],
                )
                for name, subject in subjects.items()
            }
        )
        self.write(training=self.record.training | result.to_dict())
        for report in reports.values():
            self.notify("tunebook_evaluated", run=self.record, report=report)
        with self.stage("saving"):
            subjects.save(self.directory.model, prepared)
        self.finish("succeeded")
        if pictures:
            with self.stage("report"):
                write_pictures(Run(self.directory))
        self.log(RunEnded("succeeded"))
        self.notify("tunebook_run_finished", run=self.record, record=self.record)

    def pretrain(self, subjects: Subjects) -> None:
        """Pretrains the backbone where the case asks for it."""
        if self.case.pretraining is not None:
            with self.stage("pretraining"):
                about = subjects.pretrain(self.directory.checkpoints, self.log)
            self.write(training={"pretraining": about})

    def prepared(self, prepared: Prepared) -> None:
        """Records what the strategy made of the model."""
        self.write(parameters=count_parameters(prepared.model))
        self.notify("tunebook_model_prepared", run=self.record, summary=self.record.parameters)

    def train(self, subjects: Subjects, prepared: Prepared) -> TrainingResult:
        """Trains the prepared model, after the stages that its strategy wants before."""
        if prepared.before is not None:
            stages = subjects.first.stages(prepared, self.directory.checkpoints, self.log)
            about = dict(prepared.before(stages))
            self.write(training=self.record.training | about)
        jobs = {
            name: self.job(subject, subjects.of_task(name, prepared))
            for name, subject in subjects.items()
        }
        alone = jobs.get(ALONE)
        result = train(alone or joint_job(jobs, prepared, self.case.sampling.temperature))
        shutil.rmtree(self.directory.checkpoints, ignore_errors=True)
        return result

    def job(self, subject: Subject, prepared: Prepared) -> TrainingJob:
        """Returns what the training of one task needs."""
        case = subject.case
        inputs = {name: subject.inputs(name, prepared) for name in ("train", "validation")}
        validation = draw_documents(inputs["validation"], case)
        targets, form = validation.targets, subject.dataset.form
        return TrainingJob(
            prepared=prepared,
            train=inputs["train"],
            validation=validation,
            score=lambda logits: self.score(case, logits, targets, form),
            primary=case.evaluation.primary,
            config=case.training,
            precision=subject.precision,
            seed=case.seed,
            folder=self.directory.checkpoints,
            loss=form.loss(case.training, subject.dataset.targets("train")),
            minimise=is_minimised(self.host, case),
            log=self.log,
        )

    def score(
        self, case: CaseConfig, logits: np.ndarray, targets: np.ndarray, form: TaskForm
    ) -> dict[str, float]:
        """Returns every score of the metrics of a task."""
        predictions = form.predictions(targets, form.decode(logits))
        return {
            name: float(value)
            for config in case.metrics
            for name, value in self.host.create("metric", config)
            .compute(predictions)
            .scores.items()
        }

    def evaluate(self, task: str, subject: Subject, prepared: Prepared) -> EvalReport:
        """Scores the test split of a task, once, beside the baselines."""
        dataset, case = subject.dataset, subject.case
        place = self.directory.of_task(task)
        place.path.mkdir(parents=True, exist_ok=True)
        logits = predict_logits(
            prepared.model,
            subject.inputs("test", prepared),
            case.training.eval_batch_size,
            subject.precision,
        )
        form = dataset.form
        predictions = form.predictions(dataset.targets("test"), form.decode(logits))
        write_predictions(
            predictions_frame(dataset.split("test"), predictions, form),
            form,
            place.predictions,
            place.errors,
        )
        return evaluate(
            predictions,
            metrics=[self.host.create("metric", m) for m in case.metrics],
            baselines=_baselines(dataset, case),
            groups=dataset.groups("test"),
            config=case.evaluation,
            split="test",
            grouped=dataset.grouped,
            seed=case.seed,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage and tells of it."""
        self.log(StageStarted(name))
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.write(seconds=self._seconds())

    def write_tasks(self, found: Mapping[str, TaskRecord]) -> None:
        """Writes the record with data and results of the tasks."""
        self.record = self.record.with_tasks(found)
        self.write()

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
        if not processes.is_first():
            return
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
