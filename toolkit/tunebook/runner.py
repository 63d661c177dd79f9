"""`run_case`: the only place where data, model, strategy, training and evaluation meet."""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tunebook.config import ALONE, CaseConfig
from tunebook.contracts import Prepared
from tunebook.data.dataset import Dataset, texts_of
from tunebook.environment import hardware
from tunebook.evaluation.baselines import fit_baselines
from tunebook.evaluation.gallery import PICTURES, save_gallery
from tunebook.evaluation.html import write_report
from tunebook.evaluation.predictions import (
    frame_sha256,
    predictions_frame,
    write_predictions,
)
from tunebook.evaluation.report import evaluate
from tunebook.events import EventLog, Listener, RunEnded
from tunebook.forms import TaskForm
from tunebook.host import PluginHost
from tunebook.journal import Journal
from tunebook.outcomes import recorded
from tunebook.ownership import RUNS, owned
from tunebook.progress import progress_listener
from tunebook.provenance import code_of, used_plugins, weights_in
from tunebook.records import EvalReport, RunDirectory, TaskRecord
from tunebook.resumption import check_readable, check_same_case, finished, place_of
from tunebook.rules import is_minimised
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.shared_work import SharedWork
from tunebook.shipping import keep_sources
from tunebook.subject import Subject, draw_documents, seed_everything
from tunebook.subjects import Datasets, Subjects, load_datasets, trained_elsewhere
from tunebook.tasks.text_classification import count_parameters
from tunebook.training import processes
from tunebook.training.checkpoints import Checkpoints
from tunebook.training.loop import TrainingJob, TrainingResult, joint_job, train
from tunebook.training.precision import Precision, choose_precision
from tunebook.training.predict import predict_logits
from tunebook.training.steering import Inbox

EXAMPLES = 12
"""Mistakes that the report shows."""


def run_case(
    case: CaseConfig,
    host: PluginHost | None = None,
    *,
    runs_dir: str | Path | None = None,
    listeners: Iterable[Listener] | None = None,
) -> Run:
    """Runs a case: loads data and model, trains, evaluates, and leaves a record on disk.

    Args:
        case: A validated case, see `tunebook.load_case`.
        host: Plugins; all installed ones when None.
        runs_dir: Folder of the runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None. Under `tunebook
            run` the command decides where the run is.
        listeners: Called with every event; a progress display when None.

    Raises:
        TunebookError: Whatever went wrong; the record on disk says the same.
    """
    directory, resumes = place_of(case, runs_dir)
    return (go_on if resumes else execute)(directory, case, host or PluginHost(), listeners)


def resume_run(
    directory: RunDirectory | str | Path,
    host: PluginHost | None = None,
    *,
    listeners: Iterable[Listener] | None = None,
) -> Run:
    """Continues a run that was killed, stopped, or failed, from its last checkpoint.

    Weights and metrics are bit for bit those of an uninterrupted run on the same machine, with the
    same packages and number of threads. A run that has succeeded is not run again.

    Args:
        directory: The folder of the run.
        host: Plugins; all installed ones when None.
        listeners: Called with every event; a progress display when None.

    Raises:
        TunebookError: A process is working on the run, its case is damaged, its data have changed,
            or something goes wrong in it.
    """
    if not isinstance(directory, RunDirectory):
        directory = RunDirectory(Path(directory))
    host = host or PluginHost()
    return go_on(directory, CaseSchema(host).validate(directory.read_case()), host, listeners)


def go_on(
    directory: RunDirectory,
    case: CaseConfig,
    host: PluginHost,
    listeners: Iterable[Listener] | None,
) -> Run:
    """Goes on with a run in a directory, whose case must be this one; see `resume_run`."""
    check_same_case(directory, case)
    check_readable(directory)
    if not finished(directory):
        return execute(directory, case, host, listeners, resumes=True)
    shutil.rmtree(directory.checkpoints, ignore_errors=True)
    record = directory.read_record()
    if record.status != "succeeded":  # something after the run went wrong
        directory.write_record(record.updated(status="succeeded", error=None))
    return Run(directory)


def execute(
    directory: RunDirectory,
    case: CaseConfig,
    host: PluginHost,
    listeners: Iterable[Listener] | None = None,
    *,
    resumes: bool = False,
    pictures: bool = True,
) -> Run:
    """Runs a case in a directory, alone in there, and records how it ends.

    Args:
        directory: A new one, or that of the run to go on with.
        case: A validated case.
        host: Plugins.
        listeners: Told of every event; a progress display when None.
        resumes: Whether to go on with what lies there.
        pictures: Whether to draw pictures and write the report.

    Raises:
        TunebookError: Whatever went wrong.
    """
    with owned(directory.path, RUNS):
        keep_sources(host.loose.values(), directory.plugins)
        shown = [progress_listener()] if listeners is None else listeners
        log = EventLog(directory.events_file, shown)
        execution = Execution(case, host, directory, log, resumes)
        execution.watched()
        with recorded(directory.path, execution.fail, used_plugins(case, host)):
            execution.go(pictures=pictures)
    return Run(directory)


def write_pictures(run: Run, only: Container[str] = PICTURES) -> None:
    """Draws the pictures of a run and writes its HTML report, from what lies on disk.

    Args:
        run: One that has succeeded.
        only: Names of the pictures to draw, where the others are there already.
    """
    for each in (*run.tasks.values(), run):
        examples = [] if each.tasks else each.errors(EXAMPLES).to_dict("records")
        events = [] if each.task_name else each.events
        save_gallery(each.place, each.record, events, only)
        write_report(each.place, each.record, each.case, examples)


class Execution(Journal):
    """One run in progress. Stages are methods, in order; each is timed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shared = SharedWork(self.note)
        # what several processes draw at random is not in a checkpoint of the first
        alone = processes.count() == 1
        kept = {} if alone else {"limit_gb": 0.0}
        place = self.directory
        self.inbox = Inbox.of(place.control_file, place.events_file, self.log) if alone else None
        self.checkpoints = Checkpoints(
            place.checkpoints,
            self.case.checkpoints.model_copy(update=kept),
            self.log,
            self.warn,
            self.inbox,
        )

    def go(self, *, pictures: bool = True) -> None:
        """Runs all stages; a training goes on from its last checkpoint, if there is one."""
        if self.resumes:
            self.take_up(self.checkpoints.open())
            for text in self.checkpoints.damaged:
                self.warn(text)
        else:
            self.directory.write_case(self.case.to_json_dict())
        self.write(hardware=hardware() | processes.about(), code=code_of(self.case, self.host))
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
        self.checkpoints.stand_on(**self._basis(datasets, precision))
        with self.stage("model"):
            subjects = Subjects.build(self.case, self.host, datasets, precision, self.shared)
        self.write(model=subjects.first.about())
        self.checkpoints.stand_on(weights=subjects.first.base.sha256)
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
        self.tell_outputs(weights_in(self.directory.path))
        self.finish("succeeded")
        if pictures:
            with self.stage("report"):
                write_pictures(Run(self.directory))
        if self.inbox is not None:
            self.inbox.close()
        self.log(RunEnded("succeeded"))
        shutil.rmtree(self.directory.checkpoints, ignore_errors=True)
        self.notify("tunebook_run_finished", run=self.record, record=self.record)

    def pretrain(self, subjects: Subjects) -> None:
        """Pretrains the backbone where the case asks for it."""
        if self.case.pretraining is not None:
            with self.stage("pretraining"):
                about = subjects.pretrain(self.directory.checkpoints, self.log, self.checkpoints)
            self.write(training={"pretraining": about})

    def prepared(self, prepared: Prepared) -> None:
        """Records what the strategy made of the model."""
        self.write(parameters=count_parameters(prepared.model))
        self.notify("tunebook_model_prepared", run=self.record, summary=self.record.parameters)

    def train(self, subjects: Subjects, prepared: Prepared) -> TrainingResult:
        """Trains the prepared model, after the stages that its strategy wants before."""
        if prepared.before is not None:
            stages = subjects.first.stages(
                prepared, self.directory.checkpoints, self.log, self.checkpoints
            )
            about = dict(prepared.before(stages))
            self.write(training=self.record.training | about)
        jobs = {
            name: self.job(subject, subjects.of_task(name, prepared))
            for name, subject in subjects.items()
        }
        alone = jobs.get(ALONE)
        return train(alone or joint_job(jobs, prepared, self.case.sampling.temperature))

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
            checkpoints=self.checkpoints,
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
        """Scores the split that a task is judged on, once, beside the baselines."""
        dataset, case = subject.dataset, subject.case
        split = case.evaluation.split
        place = self.directory.of_task(task)
        place.path.mkdir(parents=True, exist_ok=True)
        logits = predict_logits(
            prepared.model,
            subject.inputs(split, prepared),
            case.training.eval_batch_size,
            subject.precision,
        )
        form = dataset.form
        predictions = form.predictions(dataset.targets(split), form.decode(logits))
        frame = predictions_frame(dataset.split(split), predictions, form)
        write_predictions(frame, form, place.predictions, place.errors)
        named = f"predictions of {task}" if task else "predictions"
        self.tell_outputs({named: frame_sha256(frame)})
        return evaluate(
            predictions,
            metrics=[self.host.create("metric", m) for m in case.metrics],
            baselines=_baselines(dataset, case, self.shared),
            groups=dataset.groups(split),
            config=case.evaluation,
            split=split,
            grouped=dataset.grouped,
            seed=case.seed,
        )

    def tell_outputs(self, hashes: Mapping[str, str]) -> None:
        """Records what came out, to the last bit."""
        self.write(outputs=self.record.outputs | hashes)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage, and tells of it and of what it took from the cache."""
        with super().stage(name):
            yield
        self.shared.tell()
        self.write(reused=tuple(self.shared.reused))

    def _basis(self, datasets: Datasets, precision: Precision) -> dict[str, Any]:
        """Returns what the rest of the run stands on, the pretrained weights aside."""
        about = hardware()
        return {
            "data": {name: dataset.fingerprint for name, dataset in datasets.items()},
            "code": self.record.code,
            "packages": self.record.versions,
            "machine": {name: about[name] for name in ("cpu", "threads", "gpu")},
            "precision": precision.name,
        }


def _about_data(dataset: Dataset) -> dict[str, Any]:
    """Returns what the record says of the data; class counts are by class, then by split."""
    provenance = dict(dataset.provenance)
    return provenance | dataset.summary() | {"class_counts": provenance.get("classes", {})}


def _baselines(dataset: Dataset, case: CaseConfig, shared: SharedWork) -> list[Any]:
    """Fits the baselines on the same records, before augmentation, rare classes lifted or not."""
    balanced = case.training.class_weights != "none"
    train_rows = dataset.split("train")
    original = (train_rows["origin"] == "original").to_numpy()
    return fit_baselines(
        texts_of(train_rows[original]),
        dataset.targets("train")[original],
        texts_of(dataset.split(case.evaluation.split)),
        dataset.form,
        names=case.evaluation.baselines,
        tfidf_features=case.evaluation.tfidf_features,
        class_weights="balanced" if balanced else "none",
        shared=shared,
    )
