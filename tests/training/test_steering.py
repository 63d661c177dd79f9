"""What can be asked of a training while it runs, and what a run that goes on makes of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tiny
from killed_runs import result_of
from tunebook.controls import CONTROLS, LONGEST_LINE, SETTINGS, ask, await_answer, control_of
from tunebook.errors import ConfigError, StoppedError
from tunebook.events import StageStep, StepTaken
from tunebook.host import PluginHost
from tunebook.records import RunDirectory
from tunebook.runner import execute, resume_run
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.training.steering import CHECKS, DOING

HOST = PluginHost()
STEPS = 24


def case(folder: Path, **changes: Any) -> Any:
    content = tiny.case_content(folder)
    training = content["training"] | {"epochs": 3, "warmup": 0} | changes.pop("training", {})
    content |= {"metrics": ["accuracy", "f1"], "checkpoints": {"every_steps": 4}}
    content["evaluation"] = {"bootstrap": {"resamples": 100}, "baselines": []}
    return CaseSchema(HOST).validate(content | {"training": training} | changes)


class Asking:
    """Asks for something after a step, and interrupts the run after another, if at all."""

    def __init__(
        self, run: RunDirectory, what: Mapping[int, Any], interrupted: int | None = None
    ) -> None:
        self.run = run
        self.what = what
        self.interrupted = interrupted

    def __call__(self, event: Any) -> None:
        if not isinstance(event, StepTaken):
            return
        asked = self.what.get(event.step, [])
        for each in asked if isinstance(asked, list) else [asked]:
            line = each if isinstance(each, str) else json.dumps(each)
            with self.run.control_file.open("a") as file:
                file.write(line + "\n")
        if event.step == self.interrupted:
            self.interrupted = None
            raise KeyboardInterrupt


@pytest.fixture
def steered(tiny_bert: Path, tmp_path: Path) -> Callable[..., Run]:
    def run(what: Mapping[int, Any], name: str = "full", **changes: Any) -> Run:
        directory = RunDirectory.create(tmp_path / "runs", "tiny", name)
        listeners = [Asking(directory, what)]
        return execute(directory, case(tiny_bert, **changes), HOST, listeners, pictures=False)

    return run


def steps(run: Run) -> list[int]:
    return [event["step"] for event in run.events if event["type"] == "step"]


def answered(run: Run) -> list[dict[str, Any]]:
    return [event for event in run.events if event["type"] == "control"]


def rates(run: Run) -> list[float]:
    return [event["learning_rate"] for event in run.events if event["type"] == "step"]


def test_everything_that_can_be_asked_is_done_by_something() -> None:
    assert len(CONTROLS) == 9
    assert {*CONTROLS.values()} == {*DOING}
    assert {*SETTINGS} == {*CHECKS}


@pytest.mark.slow
def test_a_new_rate_scales_the_rest_of_the_schedule(steered: Callable[..., Run]) -> None:
    plain = steered({})
    peak = plain.case["training"]["learning_rate"]
    run = steered({10: {"action": "set", "learning_rate": peak / 4}})
    assert steps(run) == steps(plain) == [*range(1, STEPS + 1)]
    assert rates(run)[:10] == rates(plain)[:10]
    assert rates(run)[10:] == pytest.approx([rate / 4 for rate in rates(plain)[10:]])
    (answer,) = answered(run)
    assert (answer["accepted"], answer["stage"], answer["step"]) == (True, "training", 10)
    assert answer["reason"] == f"learning_rate was {peak:g}"
    (kept,) = run.record.controls
    assert (kept["action"], kept["step"]) == ("set", 10)
    assert kept["arguments"] == {"learning_rate": peak / 4}


def test_a_training_that_is_stopped_is_scored_and_goes_on_to_its_result(
    steered: Callable[..., Run],
) -> None:
    run = steered({7: {"action": "stop"}})
    assert run.record.status == "succeeded"
    assert steps(run) == [*range(1, 8)]
    assert run.record.training["steps"] == 7
    assert [e["step"] for e in run.events if e["type"] == "evaluation"][-1] == 7
    assert run.report.scores["accuracy"].value >= 0


@pytest.mark.slow
def test_a_run_that_is_aborted_can_be_taken_up_again(
    steered: Callable[..., Run], tmp_path: Path
) -> None:
    plain = steered({}, "plain")
    with pytest.raises(StoppedError) as caught:
        steered({10: {"action": "abort", "by": "me"}}, "aborted")
    assert caught.value.problems[0].code == "run.aborted"
    assert caught.value.problems[0].found == "me asked for its end"
    (directory,) = [RunDirectory(path) for path in (tmp_path / "runs/tiny").glob("*aborted*")]
    assert directory.read_record().status == "stopped"
    assert directory.read_record().controls[0]["action"] == "abort"
    run = resume_run(directory, HOST, listeners=[])
    assert without_controls(run) == without_controls(plain)


def without_controls(run: Run) -> dict[str, Any]:
    return result_of(run.directory.path)


def test_a_paused_training_waits_and_the_time_is_not_its_own(
    tiny_bert: Path, tmp_path: Path
) -> None:
    directory = RunDirectory.create(tmp_path / "runs", "tiny", "full")
    seen: list[int] = []

    def release() -> None:
        while not directory.control_file.exists():
            time.sleep(0.01)
        assert await_answer(directory, "p", 60)
        before = len(seen)
        time.sleep(1)
        seen.append(len(seen) - before)
        ask(directory, control_of({"action": "note", "text": "while it waits"}), "a thread")
        ask(directory, control_of({"action": "resume"}), "a thread")

    def count(event: Any) -> None:
        if isinstance(event, StepTaken):
            seen.append(event.step)

    thread = threading.Thread(target=release)
    thread.start()
    asking = Asking(directory, {5: [{"action": "pause", "id": "p"}, {"action": "pause"}]})
    run = execute(directory, case(tiny_bert), HOST, [count, asking], pictures=False)
    thread.join()
    assert seen[5] == 0  # no step in a second
    told = [(e["action"], e["accepted"], e["step"]) for e in answered(run)]
    assert told == [
        ("pause", True, 5),
        ("pause", False, 5),
        ("note", True, 5),
        ("resume", True, 5),
    ]
    assert steps(run) == [*range(1, STEPS + 1)]
    began = run.events[0]["time"]
    assert run.record.training["seconds"] < run.events[-1]["time"] - began - 1
    assert "it is paused already" in answered(run)[1]["reason"]


@pytest.mark.slow
def test_a_training_can_be_made_shorter(steered: Callable[..., Run]) -> None:
    shorter = {7: {"action": "set", "max_steps": 20}}
    run = steered(shorter, training={"evaluations": 4})  # due at 6, 12, 18, 24
    assert steps(run) == [*range(1, 21)]
    left = rates(run)[7:]
    assert left == sorted(left, reverse=True)
    assert left[-1] == pytest.approx(0, abs=1e-9)
    evaluations = [e["step"] for e in run.events if e["type"] == "evaluation"]
    assert evaluations == [6, 11, 16, 20]


@pytest.mark.slow
def test_settings_are_changed_together_or_not_at_all(steered: Callable[..., Run]) -> None:
    peak = 1e-4
    both = {"action": "set", "learning_rate": peak, "max_steps": 2000}
    run = steered({3: both})
    (answer,) = answered(run)
    assert not answer["accepted"]
    assert "24 steps are planned" in answer["reason"]
    plain = steered({})
    assert rates(run) == rates(plain)
    assert run.record.controls == ()


REFUSED: list[tuple[Any, str]] = [
    ({"action": "resume"}, "it isn't paused"),
    ({"action": "unfreeze"}, "opens nothing by stages"),
    ({"action": "set", "max_steps": 3}, "taken already"),
    ({"action": "pausw"}, "Did you mean `pause`"),
    ({"action": "set"}, "nothing is set"),
    ({"action": "set", "learning_rat": 1}, "learning_rate"),
    ({"action": "set", "learning_rate": "fast"}, "number"),
    ({"action": "set", "learning_rate": -1}, "greater than 0"),
    ({"action": "set", "early_stopping": 0}, "1 or more"),
    ({"action": "note"}, "text"),
    ({"action": ["pause"]}, "can be asked"),
    ({}, "can be asked"),
    ("[]", "not a JSON object"),
    ("}{", "not a JSON object"),
    ("\x00\ufffd", "not a JSON object"),
    ("", "not a JSON object"),
    ("[" * 5000, "not a JSON object"),
    ('{"action": "note", "text": "' + "x" * LONGEST_LINE + '"}', "a line of"),
]


def test_what_cannot_be_done_is_refused_with_the_reason(steered: Callable[..., Run]) -> None:
    run = steered({4: [asked for asked, _ in REFUSED]}, training={"epochs": 1})
    told = answered(run)
    assert len(told) == len(REFUSED) == 18
    for (asked, reason), answer in zip(REFUSED, told, strict=True):
        assert not answer["accepted"], asked
        assert reason.lower() in answer["reason"].lower(), answer["reason"]
    assert steps(run) == [*range(1, 9)]
    assert run.record.status == "succeeded"


@pytest.mark.slow
def test_what_is_asked_twice_under_one_id_is_done_once(steered: Callable[..., Run]) -> None:
    once = {"action": "note", "text": "Größe 数据", "id": "same"}
    run = steered({4: [once, once], 5: once}, training={"epochs": 1})
    (answer,) = answered(run)
    assert (answer["step"], answer["reason"]) == (4, "Größe 数据")


def test_a_checkpoint_an_evaluation_and_a_patience_are_had_when_asked_for(
    steered: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunebook.training.checkpoints import TrainingCheckpoints

    written: list[int] = []
    monkeypatch.setattr(TrainingCheckpoints, "write", lambda _, step, __: written.append(step))
    run = steered(
        {
            5: {"action": "checkpoint"},
            7: {"action": "evaluate"},
            9: {"action": "set", "early_stopping": 1, "weight_decay": 0.2},
        },
        checkpoints={},
        training={"learning_rate": 1e-9, "evaluations": 8},
    )
    assert written == [5]
    evaluations = [e["step"] for e in run.events if e["type"] == "evaluation"]
    assert evaluations == [3, 6, 7, 9]  # at 7 it was asked for; at 9 nothing had improved
    assert run.record.training["stopped_early"]
    reasons = [answer["reason"] for answer in answered(run)]
    assert reasons[2] == "weight_decay was 0.01; early_stopping was off"


@pytest.mark.slow
def test_the_next_layers_open_when_asked(steered: Callable[..., Run]) -> None:
    strategy = {"kind": "gradual_unfreezing", "unfreeze": "epoch", "every": 2}
    run = steered({2: {"action": "unfreeze"}}, strategy=strategy)
    (answer,) = answered(run)
    assert answer["accepted"]
    assert "learns from the next step on" in answer["reason"]
    notes = [e["text"] for e in run.events if e["type"] == "note"]
    assert any(text.startswith("from step 3 on") for text in notes)


@pytest.mark.slow
def test_what_comes_after_the_training_is_refused_and_told(tiny_bert: Path, tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "runs", "tiny", "full")

    def late(event: Any) -> None:
        if getattr(event, "stage", "") == "saving":
            directory.control_file.write_text('{"action": "pause"}\n')

    run = execute(directory, case(tiny_bert, training={"epochs": 1}), HOST, [late], pictures=False)
    (answer,) = answered(run)
    assert (answer["accepted"], answer["reason"]) == (False, "the training was over")


@pytest.mark.slow
def test_a_stage_before_the_task_can_be_stopped_alone(tiny_bert: Path, tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "runs", "tiny", "full")
    asked: list[int] = []

    def stop(event: Any) -> None:
        if isinstance(event, StageStep) and event.step == 2 and not asked:
            asked.append(event.total_steps)
            directory.control_file.write_text('{"action": "stop"}\n{"action": "evaluate"}\n')

    strategy = {"kind": "contrastive", "pairs_per_text": 4}
    changed = case(tiny_bert, strategy=strategy, training={"epochs": 1})
    run = execute(directory, changed, HOST, [stop], pictures=False)
    assert asked[0] > 2
    first, second = answered(run)
    assert (first["accepted"], first["stage"], first["step"]) == (True, "contrastive", 2)
    assert (second["accepted"], second["reason"]) == (False, "nothing is scored in contrastive")
    assert run.record.status == "succeeded"
    stage_steps = [e["step"] for e in run.events if e["type"] == "stage_step"]
    assert stage_steps == [1, 2]


ASKED: dict[int, Any] = {
    2: {"action": "set", "learning_rate": 3e-4, "id": "a"},
    6: [
        {"action": "set", "max_steps": 22, "weight_decay": 0, "id": "b"},
        {"action": "note", "text": "before the crash", "id": "c"},
    ],
    10: [
        {"action": "set", "learning_rate": 2e-5, "early_stopping": 9, "id": "d"},
        {"action": "set", "max_steps": 17, "weight_decay": 0.3, "id": "e"},
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", [3, 5, 9, 11, 15])
def test_a_run_that_goes_on_does_again_what_had_been_asked(
    tiny_bert: Path, tmp_path: Path, interrupted: int
) -> None:
    """Between checkpoints, after the first and before it, before the last request and after it."""
    whole = RunDirectory.create(tmp_path / "runs", "tiny", "whole")
    execute(whole, case(tiny_bert), HOST, [Asking(whole, ASKED)], pictures=False)
    directory = RunDirectory.create(tmp_path / "runs", "tiny", "killed")
    asking = Asking(directory, ASKED, interrupted)
    with pytest.raises(StoppedError):
        execute(directory, case(tiny_bert), HOST, [asking], pictures=False)
    before = {step: asked for step, asked in ASKED.items() if step > interrupted}
    run = resume_run(directory, HOST, listeners=[Asking(directory, before)])
    assert result_of(directory.path) == result_of(whole.path)
    assert [e["step"] for e in answered(run)] == [2, 6, 6, 10, 10]
    assert all(answer["accepted"] for answer in answered(run))
    assert [c["arguments"] for c in run.record.controls] == [
        c["arguments"] for c in whole.read_record().controls
    ]
    assert any(answer["again"] for answer in answered(run)) == (interrupted in (3, 11))


def test_a_run_that_nobody_works_on_cannot_be_asked(steered: Callable[..., Run]) -> None:
    run = steered({}, training={"epochs": 1})
    with pytest.raises(ConfigError) as caught:
        ask(run.directory, control_of({"action": "pause"}), "me")
    assert caught.value.problems[0].code == "control.not_running"
    assert "has ended: succeeded" in caught.value.problems[0].found
    assert not run.directory.control_file.exists()


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tiny_bert: Path, tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "runs", "tiny", "full")

    def asking(event: Any) -> None:
        if isinstance(event, StepTaken) and event.step == 3:
            directory.control_file.write_bytes(b'{"action": "sto')
            ask(directory, control_of({"action": "note", "text": "whole"}), "me")

    run = execute(
        directory, case(tiny_bert, training={"epochs": 1}), HOST, [asking], pictures=False
    )
    assert [(e["accepted"], e["by"]) for e in answered(run)] == [(False, ""), (True, "me")]
