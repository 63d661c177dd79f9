"""`run_case`: the only place where data, model, strategy, training and evaluation meet."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunebook.config import CaseConfig, EvaluationConfig
from tunebook.contracts import Predictions, Prepared
from tunebook.data.dataset import Dataset
from tunebook.data.loading import load_dataset
from tunebook.data.tokens import encode_texts
from tunebook.environment import hardware, package_versions, peak_memory_mb
from tunebook.errors import (
    ConfigError,
    MachineError,
    Problem,
    StoppedError,
    TrainingError,
    TunebookError,
)
from tunebook.evaluation.baselines import fit_baselines
from tunebook.evaluation.gallery import save_gallery
from tunebook.evaluation.html import write_report
from tunebook.evaluation.predictions import predictions_frame, write_predictions
from tunebook.evaluation.report import evaluate
from tunebook.events import EventLog, Listener, Noted, RunEnded, StageStarted
from tunebook.export import save_classifier
from tunebook.host import PluginHost, plugin_versions
from tunebook.models.load import load_backbone, load_tokenizer
from tunebook.models.resolve import ResolvedModel, resolve_model
from tunebook.progress import progress_listener
from tunebook.records import CurvePoint, EvalReport, RunDirectory, RunRecord, write_problem
from tunebook.runs import Run
from tunebook.schema import plugin_configs
from tunebook.tasks.text_classification import TextClassifier, count_parameters
from tunebook.training.context import Context
from tunebook.training.features import cached_features, fingerprint
from tunebook.training.inputs import FeatureInputs, Inputs, TokenInputs, subset
from tunebook.training.loop import TrainingJob, TrainingResult, train
from tunebook.training.precision import Precision, choose_precision, device
from tunebook.training.predict import encode_features, predict_logits, probabilities
from tunebook.training.probe import init_head_from_probe

RESERVE_BYTES = 256 * 1024
"""Held back on disk, so that a full disk leaves room for a record that says so."""

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
    with _recording(execution):
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
            with _recording(execution):
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
            subject = Subject.build(self.case, self.host, dataset, precision)
        self.write(model=subject.about())
        with self.stage("strategy"):
            prepared = subject.prepare()
        self.prepared(prepared)
        with self.stage("training"):
            result = self.train(subject, prepared)
        with self.stage("evaluation"):
            report = self.evaluate(subject, prepared)
        self.write(training=result.to_dict(), report=report)
        self.notify("tunebook_evaluated", run=self.record, report=report)
        with self.stage("saving"):
            subject.save(self.directory.model, prepared)
        self.finish("succeeded")
        if pictures:
            with self.stage("report"):
                write_pictures(Run(self.directory))
        self.log(RunEnded("succeeded"))
        self.notify("tunebook_run_finished", run=self.record, record=self.record)

    def prepared(self, prepared: Prepared) -> None:
        """Records what the strategy made of the model."""
        self.write(parameters=count_parameters(prepared.model))
        self.notify("tunebook_model_prepared", run=self.record, summary=self.record.parameters)

    def train(self, subject: Subject, prepared: Prepared) -> TrainingResult:
        """Trains the prepared model."""
        inputs = {name: subject.inputs(name, prepared) for name in ("train", "validation")}
        validation = _draw(inputs["validation"], self.case)
        targets = validation.targets
        result = train(
            TrainingJob(
                prepared=prepared,
                train=inputs["train"],
                validation=validation,
                score=lambda logits: self.score(logits, targets, subject.dataset.classes),
                primary=self.case.evaluation.primary,
                config=self.case.training,
                precision=subject.precision,
                seed=self.case.seed,
                folder=self.directory.checkpoints,
                class_weights=_class_weights(subject.dataset, self.case.training.class_weights),
                log=self.log,
            )
        )
        shutil.rmtree(self.directory.checkpoints, ignore_errors=True)
        return result

    def score(
        self, logits: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]
    ) -> dict[str, float]:
        """Returns every score of the case's metrics."""
        predictions = Predictions(targets, probabilities(logits), classes)
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
        predictions = Predictions(
            dataset.targets("test"),
            probabilities(
                predict_logits(
                    prepared.model,
                    subject.inputs("test", prepared),
                    self.case.training.eval_batch_size,
                    subject.precision,
                )
            ),
            dataset.classes,
        )
        write_predictions(
            predictions_frame(dataset.split("test"), predictions),
            self.directory.predictions,
            self.directory.errors,
        )
        return evaluate(
            predictions,
            metrics=[self.host.create("metric", m) for m in self.case.metrics],
            baselines=_baselines(dataset, config, self.case.training.class_weights),
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

    def _seconds(self) -> dict[str, float]:
        return self.seconds | {"total": round(time.time() - self.record.started, 3)}


@dataclass
class Subject:
    """A data set with the model that is adapted to it."""

    case: CaseConfig
    host: PluginHost
    dataset: Dataset
    precision: Precision
    base: ResolvedModel
    tokenizer: Any
    model: TextClassifier
    tokens: dict[str, TokenInputs] = field(default_factory=dict)

    @classmethod
    def build(
        cls, case: CaseConfig, host: PluginHost, dataset: Dataset, precision: Precision
    ) -> Subject:
        """Loads tokenizer and backbone and puts a new head on top."""
        base = resolve_model(host.create("model", case.model).files(), host.names("model"))
        _check_length(case, base)
        tokenizer = load_tokenizer(base.folder)
        model = TextClassifier(load_backbone(base.folder), len(dataset.classes), case.head)
        return cls(case, host, dataset, precision, base, tokenizer, model.to(device()))

    def about(self) -> dict[str, Any]:
        """Returns what the record says of the model."""
        return {
            "source": self.base.source,
            "description": self.base.description,
            "architecture": self.base.architecture,
            "sha256": self.base.sha256,
        }

    def prepare(self) -> Prepared:
        """Gives the head its start values and lets the strategy change the model."""
        if self.case.head.init == "probe":
            inputs = self.tokens_of("train")
            balanced = self.case.training.class_weights != "none"
            init_head_from_probe(
                self.model,
                self.features("train", self.model),
                inputs,
                c=self.case.head.probe_c,
                balanced=balanced,
            )
        strategy = self.host.create("strategy", self.case.strategy)
        return strategy.prepare(self.model, Context.of(self.model, self.case.training))

    def tokens_of(self, split: str) -> TokenInputs:
        """Returns the tokenised split."""
        if split not in self.tokens:
            encoded = encode_texts(self.tokenizer, self.dataset.texts(split), self.case.text)
            self.tokens[split] = TokenInputs(
                encoded.input_ids,
                encoded.document,
                self.dataset.targets(split),
                self.tokenizer.pad_token_id,
            )
        return self.tokens[split]

    def inputs(self, split: str, prepared: Prepared) -> Inputs:
        """Returns what the prepared model is fed with: tokens, or cached features of them."""
        tokens = self.tokens_of(split)
        if not prepared.cache_features:
            return tokens
        features = self.features(split, prepared.model)
        return FeatureInputs(features, tokens.document, tokens.targets)

    def features(self, split: str, model: Any) -> np.ndarray:
        """Returns pooled outputs of the pretrained backbone, from the cache where they are."""
        tokens = self.tokens_of(split)
        key = fingerprint(
            {
                "weights": self.base.sha256,
                "tokens": _hash_tokens(tokens),
                "pooling": model.pool.__name__,
                "precision": self.precision.name,
                "torch": torch.__version__,
            }
        )
        size = self.case.training.eval_batch_size
        features, _ = cached_features(
            key, lambda: encode_features(model, tokens, size, self.precision)
        )
        return features

    def save(self, folder: Path, prepared: Prepared) -> None:
        """Writes the trained model."""
        save_classifier(
            folder,
            prepared,
            self.tokenizer,
            self.case,
            self.dataset.classes,
            self.base,
            self.precision,
        )


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def _recording(execution: Execution) -> Iterator[None]:
    """Makes sure that the record tells how the run ended, whatever ended it."""
    reserve = execution.directory.path / ".reserve"
    try:
        reserve.write_bytes(b"\0" * RESERVE_BYTES)
        yield
    except BaseException as error:
        reserve.unlink(missing_ok=True)
        told = as_tunebook_error(error, execution.directory.path)
        status = "stopped" if isinstance(told, StoppedError) else "failed"
        _say_so(execution, status, told)
        if told is error:
            raise
        raise told from error
    finally:
        reserve.unlink(missing_ok=True)


def _say_so(execution: Execution, status: str, error: TunebookError) -> None:
    try:
        execution.finish(status, error)
        execution.log(RunEnded(status, error.problems[0].code))
    except (OSError, TunebookError):
        return  # the folder is gone or the disk is full to the last byte; the error itself is told
    execution.notify(
        "tunebook_run_failed", run=execution.record, record=execution.record, error=error
    )


def as_tunebook_error(error: BaseException, where: Path) -> TunebookError:
    """Returns `error` in our one shape."""
    if isinstance(error, TunebookError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(
            Problem("run.stopped", str(where), "a run to its end", "an interrupt", "run it again")
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES):
        return MachineError(write_problem(Path(error.filename or where), error))
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return MachineError(
            Problem(
                "environment.memory",
                str(where),
                "enough memory",
                str(error) or "none left",
                "lower training.batch_size and raise training.gradient_accumulation",
            )
        )
    return TrainingError(
        Problem(
            "run.unexpected",
            str(where),
            "no such error",
            f"{type(error).__name__}: {error}",
            "run with --debug and report what it prints",
        )
    )


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


def _read_case(run: Run, host: PluginHost) -> CaseConfig:
    from tunebook.schema import CaseSchema

    return CaseSchema(host).validate(run.directory.read_case())


def _about_data(dataset: Dataset) -> dict[str, Any]:
    """Returns what the record says of the data; class counts are by class, then by split."""
    provenance = dict(dataset.provenance)
    return provenance | dataset.summary() | {"class_counts": provenance.get("classes", {})}


def _check_length(case: CaseConfig, base: ResolvedModel) -> None:
    longest = base.max_positions
    if longest is not None and case.text.max_tokens > longest:
        raise ConfigError(
            Problem(
                "config.max_tokens",
                "text.max_tokens",
                f"at most {longest}, which is all that {base.source} can see at once",
                str(case.text.max_tokens),
                "lower it, and set text.long_texts=windows to read longer texts whole",
            )
        )


def _class_weights(dataset: Dataset, kind: str) -> np.ndarray | None:
    power: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
        "balanced": lambda counts: 1 / counts,
        "sqrt": lambda counts: 1 / np.sqrt(counts),
    }
    if kind == "none":
        return None
    targets = dataset.targets("train")
    counts = np.bincount(targets, minlength=len(dataset.classes)).clip(min=1)
    weights = power[kind](counts.astype(np.float64))
    # the mean weight of an example is one, so that the learning rate keeps its meaning
    return weights / weights[targets].mean()


def _draw(inputs: Inputs, case: CaseConfig) -> Inputs:
    """Returns the documents of the validation split that are scored during training."""
    rows = case.training.evaluation_rows
    if rows is None or rows >= inputs.documents:
        return inputs
    rng = np.random.default_rng(case.seed)
    return subset(inputs, np.sort(rng.choice(inputs.documents, rows, replace=False)))


def _baselines(dataset: Dataset, config: EvaluationConfig, class_weights: str) -> list[Any]:
    train_rows = dataset.split("train")
    original = (train_rows["origin"] == "original").to_numpy()
    return fit_baselines(
        train_rows["text"][original].tolist(),
        dataset.targets("train")[original],
        dataset.texts("test"),
        dataset.classes,
        names=config.baselines,
        tfidf_features=config.tfidf_features,
        class_weights=class_weights,
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


def _hash_tokens(tokens: TokenInputs) -> str:
    import hashlib

    digest = hashlib.sha256()
    for ids in tokens.input_ids:
        digest.update(np.asarray(ids, dtype=np.int32).tobytes() + b"|")
    return digest.hexdigest()
