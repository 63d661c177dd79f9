"""One model trained by several processes: the same run as in one, and none that hangs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import yaml

import tiny
from tunebook.errors import ConfigError
from tunebook.events import read_events
from tunebook.host import PluginHost
from tunebook.notebooks.launch import launch, make_plan
from tunebook.notebooks.processes import _died
from tunebook.records import RunDirectory
from tunebook.runs import Run
from tunebook.training import processes

TRAINING = {
    "epochs": 2,
    "batch_size": 7,  # shares are uneven, and the last batch of an epoch is shorter
    "gradient_accumulation": 2,
    "class_weights": "balanced",
    "learning_rate": 3e-3,
    "head_learning_rate": 3e-3,
    "precision": "fp32",
    "evaluations": 3,
    "hidden_dropout": 0.0,  # several processes draw it differently
}


def write_case(folder: Path, model: Path, **changes: Any) -> Path:
    changes = {"head": {"dropout": 0.0}} | changes
    content = tiny.case_content(model, training=TRAINING | changes.pop("training", {}), **changes)
    file = folder / "case.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture
def still_bert(tmp_path: Path) -> Path:
    """A model without dropout in its attention."""
    place = tiny.save_tiny_bert(tmp_path / "bert")
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | {"attention_probs_dropout_prob": 0.0}))
    return place


def told(run: RunDirectory, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(run.events_file) if event["type"] == kind]


@pytest.mark.slow
def test_two_processes_come_to_the_losses_and_metrics_of_one(
    tmp_path: Path, still_bert: Path
) -> None:
    # parts of the model are held back and open while it trains
    strategy = {"kind": "gradual_unfreezing", "unfreeze": "steps", "every": 5}
    case = write_case(tmp_path, still_bert, strategy=strategy)
    host = PluginHost()
    runs = {
        count: launch(
            replace(make_plan(host, str(case), {}), processes=count), host, tmp_path / "runs"
        )
        for count in (1, 2)
    }
    (one, alone), (two, together) = runs[1], runs[2]
    assert (alone.status, together.status) == ("succeeded", "succeeded"), together.error
    assert together.hardware["processes"] == {"count": 2, "backend": "gloo", "threads": 1}
    assert "processes" not in alone.hardware
    steps = [[(e["step"], e["loss"]) for e in told(run, "step")] for run in (one, two)]
    assert len(steps[0]) == together.training["steps"] >= 8
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-5)
    scores = [[e["scores"]["macro_f1"] for e in told(run, "evaluation")] for run in (one, two)]
    np.testing.assert_allclose(*scores, rtol=1e-6)
    logits = [Run(run).classifier.logits(["heart and blood", "bone"]) for run in (one, two)]
    np.testing.assert_allclose(*logits, rtol=1e-3, atol=1e-4)
    assert alone.report is not None
    assert together.report is not None
    for name, estimate in alone.report.scores.items():
        assert together.report.scores[name].value == pytest.approx(estimate.value, abs=1e-6)
    assert {e.name for e in one.path.iterdir()} == {e.name for e in two.path.iterdir()}


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_and_the_error_says_which(
    tmp_path: Path, tiny_bert: Path
) -> None:
    case = write_case(tmp_path, tiny_bert, training={"epochs": 500})
    run = tmp_path / "runs"
    command = ["-m", "tunebook.cli", "run", str(case), "--processes", "2", "--json"]
    with subprocess.Popen(
        [sys.executable, *command, "--runs-dir", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        family = psutil.Process(process.pid)
        wait_for(lambda: any(told(RunDirectory(each), "step") for each in run.glob("*/*")))
        trained = [each for each in family.children(recursive=True) if rank_of(each) == "1"]
        trained[0].send_signal(signal.SIGKILL)
        left = family.children(recursive=True)
        answer, _ = process.communicate(timeout=120)
    (problem,) = json.loads(answer)["error"]["problems"]
    assert process.returncode == 4
    assert (problem["code"], problem["found"]) == (
        "run.process_died",
        "process 2 was ended by SIGKILL",
    )
    assert not psutil.wait_procs(left, timeout=20)[1]


def rank_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("RANK")
    except psutil.Error:
        return None


def wait_for(look: Callable[[], object], seconds: float = 200) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("case", "count", "changes", "codes"),
    [
        ("medical_coding", 2, {}, ["run.notebook_processes", "run.curve_processes"]),
        ("own", 8, {"training": {"batch_size": 7}}, ["run.too_many_processes"]),
        ("own", 2, {"evaluation": {"learning_curve": [5]}}, ["run.curve_processes"]),
    ],
)
def test_what_several_processes_cannot_do_is_refused_before_anything_is_made(
    tmp_path: Path, tiny_bert: Path, case: str, count: int, changes: dict[str, Any], codes: Any
) -> None:
    name = str(write_case(tmp_path, tiny_bert, **changes)) if case == "own" else case
    host = PluginHost()
    with pytest.raises(ConfigError) as caught:
        launch(replace(make_plan(host, name, {}), processes=count), host, tmp_path / "runs")
    assert [problem.code for problem in caught.value.problems] == codes
    assert all(problem.fix for problem in caught.value.problems)
    assert not (tmp_path / "runs").exists()


class Rows:
    def __getitem__(self, rows: list[int]) -> dict[str, Any]:
        return {"labels": torch.tensor(rows)}


@pytest.mark.parametrize("rows", [[5], [3, 1], [0, 1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 4.0, 0.5, 1.0, 3.0, 1.0]])
@pytest.mark.parametrize("count", [2, 3])
def test_the_mean_of_the_shares_is_the_loss_of_the_batch(
    rows: list[int], weights: list[float] | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    logits = torch.randn(7, 7)
    weight = None if weights is None else torch.tensor(weights)
    criterion = torch.nn.CrossEntropyLoss(weight, label_smoothing=0.1)
    monkeypatch.setattr(processes, "count", lambda: count)
    shares = []
    for number in range(count):
        monkeypatch.setattr(processes, "number", lambda number=number: number)
        shares.append(processes.Shares(Rows())[rows])
    masses = [
        torch.stack([processes._mass(criterion, labels), torch.tensor(float(len(labels)))]) * counts
        for labels, counts in ((s["labels"], s["counts"]) for s in shares)
    ]
    monkeypatch.setattr(processes, "total", lambda _: torch.stack(masses).sum(0))
    weighed = [
        processes.weigh(
            criterion(logits[s["labels"]], s["labels"]), criterion, s["labels"], s["counts"]
        )
        for s in shares
    ]
    whole = torch.tensor(rows)
    mean = sum(float(loss) for loss, _ in weighed) / count
    assert mean == pytest.approx(float(criterion(logits[whole], whole)), rel=1e-5)
    assert {seen for _, seen in weighed} == {len(rows)}


def test_a_death_without_a_word_is_told_with_the_last_line(tmp_path: Path) -> None:
    for text, found in [
        ("", "exit status 1: no word"),
        ("a\nno room\n", "exit status 1: no room"),
        ("failed (exitcode: -9) local_rank: 0 (pid: 3)", "process 1 was ended by SIGKILL"),
        ("failed (exitcode: -99) local_rank: 0 (pid: 3)", "process 1 was ended by signal 99"),
        ("failed (exitcode: 1) local_rank: 1 (pid: 3)", "process 2 ended with status 1"),
    ]:
        log = tmp_path / "log"
        log.write_text(text)
        with log.open("rb") as file:
            assert _died(file, 1).detail == found
