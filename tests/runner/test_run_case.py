"""A run from case to record, and a record that tells the truth however the run ends."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import tiny
from tunebook import runner
from tunebook.errors import ConfigError, MachineError, StoppedError, TrainingError, TunebookError
from tunebook.events import Event, StepTaken
from tunebook.host import PluginHost
from tunebook.learning_curve import trace_learning_curve
from tunebook.records import RunDirectory, RunRecord, find_runs
from tunebook.runner import run_case
from tunebook.runs import Run, load_run
from tunebook.schema import CaseSchema
from tunebook.specs import hookimpl


def case(folder: Path, host: PluginHost | None = None, **changes: Any) -> Any:
    return CaseSchema(host or PluginHost()).validate(tiny.case_content(folder, **changes))


def last_record(runs: Path) -> RunRecord:
    (directory,) = find_runs(runs)
    return directory.read_record()


@pytest.fixture(scope="module")
def finished(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    return run_case(case(tiny_bert), runs_dir=runs, listeners=[])


def test_everything_promised_is_on_disk(finished: Run) -> None:
    names = {path.name for path in finished.directory.path.iterdir()}
    assert names == {
        "case.json",
        "errors.parquet",
        "events.jsonl",
        "figures",
        "model",
        "predictions.parquet",
        "record.json",
        "report.html",
    }
    pictures = {path.stem for path in finished.directory.figures.iterdir()}
    assert pictures == {"classes", "training", "confusion", "per_class_f1"}


def test_the_record_says_what_was_done(finished: Run) -> None:
    record = finished.record
    assert record.status == "succeeded"
    assert record.error is None
    assert record.finished is not None
    assert record.versions["torch"]
    assert record.plugins["strategy:full"].startswith("tunebook ")
    assert record.precision == {"name": "fp32", "why": "the case asks for it"}
    assert record.parameters["share"] == 1
    assert record.data["splits"] == {"train": 126, "validation": 27, "test": 27}
    assert record.peak_memory_mb is not None
    assert record.peak_memory_mb > 50
    stages = {"data", "model", "strategy", "training", "evaluation", "saving", "total"}
    assert stages <= set(record.seconds)


def test_the_result_stands_beside_its_baselines(finished: Run) -> None:
    report = finished.report
    assert report.scores["macro_f1"].value > 0.9
    assert {b.name for b in report.baselines} == {"majority", "tfidf"}
    for estimate in report.scores.values():
        assert estimate.low <= estimate.value <= estimate.high
    assert {c.against for c in report.comparisons} == {"majority", "tfidf"}


def test_the_case_on_disk_runs_again_to_the_same_result(finished: Run, tmp_path: Path) -> None:
    again = run_case(
        CaseSchema(PluginHost()).validate(finished.case), runs_dir=tmp_path, listeners=[]
    )
    assert again.report.scores == finished.report.scores
    assert again.report.comparisons == finished.report.comparisons


def test_predictions_and_errors_are_tables(finished: Run) -> None:
    predictions = pd.read_parquet(finished.directory.predictions)
    errors = pd.read_parquet(finished.directory.errors)
    assert len(predictions) == 27
    assert len(errors) == (~predictions["correct"]).sum()


def test_two_runs_on_one_split_are_compared(finished: Run, tiny_bert: Path, tmp_path: Path) -> None:
    weak = case(tiny_bert, training={"max_steps": 1, "precision": "fp32"})
    other = run_case(weak, runs_dir=tmp_path, listeners=[])
    table = finished.compare(other)
    assert list(table.index) == list(finished.report.scores)
    row = table.loc["macro_f1"]
    assert row["this run"] == round(finished.report.scores["macro_f1"].value, 3)
    assert row["other run"] == round(other.report.scores["macro_f1"].value, 3)
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["interval excludes 0"]


def test_a_run_without_a_result_is_not_compared(finished: Run, tmp_path: Path) -> None:
    failed = RunDirectory.create(tmp_path, "tiny", "x")
    failed.write_record(finished.record.updated(status="failed"))
    with pytest.raises(ConfigError) as caught:
        finished.compare(Run(failed))
    assert caught.value.problems[0].code == "run.no_result"
    assert caught.value.problems[0].found == "failed"


def test_the_best_weights_are_restored(tiny_bert: Path, tmp_path: Path) -> None:
    """With a rate that wrecks the model late, the reported weights are the good ones."""
    wrecking = {
        "epochs": 8,
        "learning_rate": 5e-3,
        "schedule": "constant",
        "evaluations": 8,
        "precision": "fp32",
    }
    run = run_case(case(tiny_bert, training=wrecking), runs_dir=tmp_path, listeners=[])
    evaluations = [e for e in run.events if e["type"] == "evaluation"]
    best = max(e["scores"]["macro_f1"] for e in evaluations)
    assert len(evaluations) == 8
    assert run.record.training["best"] == best


def test_early_stopping_ends_a_run_that_no_longer_improves(tiny_bert: Path, tmp_path: Path) -> None:
    training = {
        "epochs": 50,
        "learning_rate": 3e-3,
        "precision": "fp32",
        "evaluations": 50,
        "early_stopping": {"patience": 2, "threshold": 0.001},
    }
    run = run_case(case(tiny_bert, training=training), runs_dir=tmp_path, listeners=[])
    assert run.record.training["stopped_early"]
    assert run.record.training["steps"] < run.record.training["planned_steps"]


@pytest.mark.slow
def test_accumulated_batches_make_fewer_steps(tiny_bert: Path, tmp_path: Path) -> None:
    training = {"epochs": 2, "learning_rate": 1e-3, "precision": "fp32", "batch_size": 8}
    plain = run_case(case(tiny_bert, training=training), runs_dir=tmp_path, listeners=[])
    training |= {"gradient_accumulation": 4}
    accumulated = run_case(case(tiny_bert, training=training), runs_dir=tmp_path, listeners=[])
    assert plain.record.training["steps"] == 32
    assert accumulated.record.training["steps"] == 8


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_rate_warms_up_and_follows_its_schedule(
    tiny_bert: Path, tmp_path: Path, schedule: str
) -> None:
    seen: list[Event] = []
    training = {
        "epochs": 5,
        "learning_rate": 1e-3,
        "schedule": schedule,
        "warmup": 0.25,
        "precision": "fp32",
    }
    run_case(case(tiny_bert, training=training), runs_dir=tmp_path, listeners=[seen.append])
    rates = [event.learning_rate for event in seen if isinstance(event, StepTaken)]
    assert rates[0] < rates[5] < rates[9]
    assert max(rates) == pytest.approx(1e-3, rel=0.05)
    assert (rates[-1] < 1e-4) == (schedule != "constant")


def test_windows_score_each_document_once(tiny_bert: Path, tmp_path: Path) -> None:
    text = {"max_tokens": 8, "long_texts": "windows", "stride": 2}
    run = run_case(case(tiny_bert, text=text), runs_dir=tmp_path, listeners=[])
    assert run.report.rows == 27
    assert len(pd.read_parquet(run.directory.predictions)) == 27


def test_augmentation_touches_the_training_split_only(tiny_bert: Path, tmp_path: Path) -> None:
    augmentation = [{"kind": "random_edit", "share": 0.5}]
    run = run_case(case(tiny_bert, augmentation=augmentation), runs_dir=tmp_path, listeners=[])
    splits = run.record.data["splits"]
    assert splits["train"] > 126
    assert (splits["validation"], splits["test"]) == (27, 27)
    assert run.record.data["augmentation"]


def test_a_learning_curve_is_added_to_the_record(tiny_bert: Path, tmp_path: Path) -> None:
    content = {
        "train_per_class": 12,
        "evaluation": {"learning_curve": [4, 12], "bootstrap": {"resamples": 100}},
    }
    run = run_case(case(tiny_bert, **content), runs_dir=tmp_path, listeners=[])
    drawn = {file.name: file.stat().st_ino for file in run.directory.figures.iterdir()}
    run = trace_learning_curve(run, listeners=[])
    now = {file.name: file.stat().st_ino for file in run.directory.figures.iterdir()}
    assert {name: now.pop(name) for name in drawn} == drawn  # nothing is drawn twice
    assert [*now] == ["learning_curve.png"]
    assert "<h2>Learning curve</h2>" in run.directory.report.read_text()
    sizes = [(p.train_per_class, p.train_rows) for p in run.record.learning_curve]
    assert sizes == [(4, 12), (12, 36)]
    assert run.record.learning_curve[1].run_id == run.id
    assert len(find_runs(tmp_path)) == 1
    assert len(run.learning_curve()) == 2


def test_cached_features_give_what_the_backbone_gives(tiny_bert: Path, tmp_path: Path) -> None:
    """The classifier of a cached training reads texts through the backbone, to the same end."""
    run = run_case(case(tiny_bert, strategy="feature_extraction"), runs_dir=tmp_path, listeners=[])
    frame = pd.read_parquet(run.directory.predictions)
    again = [row["confidence"] for row in run.classifier.predict(frame["text"].tolist())]
    assert again == pytest.approx(frame["confidence"].tolist(), abs=1e-6)


def test_a_config_error_leaves_nothing_behind(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        run_case(case(tiny_bert, seed="x"), runs_dir=tmp_path)
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "tiny").exists()


def test_a_text_longer_than_the_model_is_told(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        run_case(case(tiny_bert, text={"max_tokens": 512}), runs_dir=tmp_path, listeners=[])
    (problem,) = caught.value.problems
    assert problem.code == "config.max_tokens"
    assert "windows" in problem.fix
    assert last_record(tmp_path).error == caught.value.to_dict()


def test_a_data_error_is_in_the_record(tiny_bert: Path, tmp_path: Path) -> None:
    data = {"kind": "memory", "rows": [{"text": "a", "label": "x"}] * 2}
    with pytest.raises(TunebookError) as caught:
        run_case(case(tiny_bert, data=data, task={}), runs_dir=tmp_path, listeners=[])
    record = last_record(tmp_path)
    assert record.status == "failed"
    assert record.error is not None
    assert record.error["exit_code"] == caught.value.exit_code == 3


def interrupting(error: BaseException, at: int = 3) -> Any:
    def listener(event: Event) -> None:
        if isinstance(event, StepTaken) and event.step >= at:
            raise error

    return listener


@pytest.mark.parametrize(
    ("error", "expected", "status", "code"),
    [
        (KeyboardInterrupt(), StoppedError, "stopped", "run.stopped"),
        (
            OSError(errno.ENOSPC, "No space left"),
            MachineError,
            "failed",
            "environment.not_writable",
        ),
        (MemoryError(), MachineError, "failed", "environment.memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"),
            MachineError,
            "failed",
            "environment.memory",
        ),
        (ZeroDivisionError("x"), TrainingError, "failed", "run.unexpected"),
    ],
)
def test_whatever_ends_a_run_the_record_says_so(
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    expected: type[TunebookError],
    status: str,
    code: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(runner, "train", fail)
    with pytest.raises(expected) as caught:
        run_case(case(tiny_bert), runs_dir=tmp_path, listeners=[])
    assert caught.value.problems[0].code == code
    record = last_record(tmp_path)
    assert record.status == status
    assert record.error is not None
    assert record.error["problems"][0]["code"] == code
    assert not list(tmp_path.rglob(".reserve"))


def test_a_disk_that_is_full_while_saving_leaves_no_half_model(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunebook.export import bundle

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("Error while serializing: No space left on device (os error 28)")

    monkeypatch.setattr(bundle, "save_file", full)
    with pytest.raises(MachineError) as caught:
        run_case(case(tiny_bert), runs_dir=tmp_path, listeners=[])
    assert caught.value.problems[0].code == "environment.not_writable"
    (directory,) = find_runs(tmp_path)
    assert not directory.model.exists()
    assert not list(directory.path.glob(".*"))
    assert directory.read_record().status == "failed"


def test_a_diverging_training_is_told(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunebook_plugins.strategies.full.impl import Full

    whole = Full.prepare

    def poisoned(self: Any, model: Any, context: Any) -> Any:
        model.head.linear.bias.data.fill_(float("nan"))
        return whole(self, model, context)

    monkeypatch.setattr(Full, "prepare", poisoned)
    with pytest.raises(TrainingError) as caught:
        run_case(case(tiny_bert), runs_dir=tmp_path, listeners=[])
    assert caught.value.problems[0].code == "training.diverged"
    assert caught.value.exit_code == 4
    assert last_record(tmp_path).status == "failed"


def test_a_runs_folder_that_is_a_file_is_told(tiny_bert: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(MachineError) as caught:
        run_case(case(tiny_bert), runs_dir=tmp_path / "runs", listeners=[])
    assert caught.value.exit_code == 6


def test_a_listener_that_raises_does_not_end_the_run(tiny_bert: Path, tmp_path: Path) -> None:
    listener = interrupting(RuntimeError("broken display"))
    run = run_case(case(tiny_bert), runs_dir=tmp_path, listeners=[listener])
    assert run.record.status == "succeeded"
    assert any("broken display" in event.get("text", "") for event in run.events)


def test_observers_see_a_run_and_cannot_break_it(tiny_bert: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    host = PluginHost()

    @hookimpl
    def tunebook_run_started(run: RunRecord) -> None:
        seen.append(f"started {run.status}")

    @hookimpl
    def tunebook_model_prepared(summary: Any) -> None:
        seen.append(f"prepared {summary['share']}")

    @hookimpl
    def tunebook_evaluated(report: Any) -> None:
        raise RuntimeError("observer down")

    @hookimpl
    def tunebook_run_finished(record: RunRecord) -> None:
        seen.append(f"finished {record.status}")

    host.register(
        SimpleNamespace(
            __name__="watcher",
            tunebook_run_started=tunebook_run_started,
            tunebook_model_prepared=tunebook_model_prepared,
            tunebook_evaluated=tunebook_evaluated,
            tunebook_run_finished=tunebook_run_finished,
        )
    )
    run = run_case(case(tiny_bert, host), host, runs_dir=tmp_path, listeners=[])
    assert seen == ["started running", "prepared 1.0", "finished succeeded"]
    assert "observer down" in run.record.warnings[0]


def test_pictures_of_a_run_are_shown_or_said_to_be_missing(finished: Run) -> None:
    assert finished.figure("confusion").data[:4] == b"\x89PNG"
    assert "nothing to draw" in finished.figure("learning_curve").data
    with pytest.raises(ConfigError) as caught:
        finished.figure("confusoin")
    assert caught.value.problems[0].fix == "did you mean `confusion`?"


def test_a_run_is_found_by_id_beginning_and_last(finished: Run) -> None:
    runs = finished.directory.path.parent.parent
    for name in (finished.id, finished.id[:-1], "last", str(finished.directory.path)):
        assert load_run(name, runs).id == finished.id
    with pytest.raises(ConfigError):
        load_run("nothing", runs)


def test_a_run_is_looked_for_where_the_environment_says(
    finished: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNEBOOK_RUNS_DIR", str(finished.directory.path.parent.parent))
    assert load_run("last").id == finished.id
    with pytest.raises(ConfigError):
        load_run("last", tmp_path)


def test_a_record_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "tiny", "x")
    directory.record_file.write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(ConfigError) as caught:
        directory.read_record()
    assert caught.value.problems[0].code == "record.newer"


@pytest.mark.slow
def test_a_training_does_not_leave_its_precision_to_the_next(
    tiny_bert: Path, tmp_path: Path
) -> None:
    """Transformers keeps it in the environment; a notebook trains more than once."""
    settings = tiny.case_content(tiny_bert)["training"]
    alone = run_case(case(tiny_bert), runs_dir=tmp_path, listeners=[])
    run_case(
        case(tiny_bert, training=settings | {"precision": "bf16"}), runs_dir=tmp_path, listeners=[]
    )
    after = run_case(case(tiny_bert), runs_dir=tmp_path, listeners=[])
    texts = ["heart valve acute", "skin rash mild", "lung cough"]
    assert (after.classifier.logits(texts) == alone.classifier.logits(texts)).all()
