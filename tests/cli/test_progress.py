"""Progress, as a terminal, a log, a notebook and papermill show it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tunebook import progress
from tunebook.events import (
    EVENT_TYPES,
    ControlAnswered,
    Evaluated,
    Event,
    EventLog,
    Noted,
    Resumed,
    RunEnded,
    StageStarted,
    StageStep,
    StepTaken,
)
from tunebook.progress import (
    EventFollower,
    LineProgress,
    NotebookProgress,
    RunFollower,
    TerminalProgress,
    describe,
    duration,
    parse_event,
    progress_listener,
)


def step(number: int, total: int = 100, **changes: Any) -> StepTaken:
    values = {
        "step": number,
        "total_steps": total,
        "epoch": number / 100,
        "loss": 0.5,
        "learning_rate": 1e-4,
        "examples_per_second": 130.0,
        "seconds_left": 75.0,
    }
    return StepTaken(**(values | changes))


RUN: list[Event] = [
    StageStarted("data"),
    StageStarted("training", "full"),
    *(step(n, time=1000.0 + n) for n in range(1, 31)),
    Evaluated(30, 1.0, {"macro_f1": 0.6667, "accuracy": 0.7}, best=True),
    Noted("a warning", "warning"),
    RunEnded("succeeded"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(listener: Any) -> None:
    for event in RUN:
        listener(event)


def test_a_log_gets_plain_lines_and_steps_only_now_and_then() -> None:
    stream = io.StringIO()
    shown(LineProgress(stream))
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert sum("step" in line and "loss" in line for line in lines) == 3  # 30 s at 10 s each
    assert "training     step 1/100  loss 0.5000  130 examples/s  1 min 15 s left" in lines
    assert "evaluation   step 30  macro_f1 0.667  accuracy 0.700  (best so far)" in lines
    assert lines[-2:] == ["warning      a warning", "succeeded"]


def test_papermill_gets_stages_and_evaluations_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNEBOOK_RUN_DIR", str(tmp_path))
    shown(progress_listener())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "data",
        "training",
        "evaluation",
        "warning",
        "succeeded",
    ]


def test_a_terminal_gets_one_line_that_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REDRAWS_PER_SECOND", 1e9)
    stream = Terminal()
    listener = progress_listener(stream)
    assert isinstance(listener, TerminalProgress)
    shown(listener)
    text = stream.getvalue()
    assert text.count("\n") == 5  # what stays: two stages, evaluation, warning, end
    assert "step 30/100" in text
    assert all(len(line) < 200 for line in text.replace("\r", "\n").split("\n"))


def test_a_terminal_is_not_redrawn_more_often_than_the_eye_sees() -> None:
    stream = Terminal()
    listener = TerminalProgress(stream)
    for number in range(1000):
        listener(step(number, 2000))
    assert stream.getvalue().count("step") < 20


class Display:
    """Stands for IPython's display: keeps what it is shown."""

    def __init__(self) -> None:
        self.pictures: list[str] = []

    def __call__(self, picture: Any, *, display_id: bool) -> Display:
        assert display_id
        self.pictures.append(picture._repr_html_())
        return self

    def update(self, picture: Any) -> None:
        self.pictures.append(picture._repr_html_())


def test_a_notebook_gets_a_bar_that_ends_as_text() -> None:
    display = Display()
    listener = NotebookProgress(display)
    shown(listener)
    listener(Noted("<b>not bold</b>"))
    assert len(display.pictures) < 12  # thirty steps came at once
    assert "<progress" in display.pictures[0]
    ended = display.pictures[-2]
    assert "<progress" not in ended
    assert "macro_f1 0.667" in ended
    assert "&lt;b&gt;" in display.pictures[-1]


@pytest.mark.parametrize(
    "event",
    [
        step(1, loss=None),
        step(0, 0),
        step(5, 2),
        step(1, seconds_left=float("inf")),
        step(1, seconds_left=float("nan"), loss=float("nan")),
        step(1, seconds_left=-1.0, examples_per_second=0.0),
        Evaluated(1, 1.0, {}, best=False),
        StageStarted("", ""),
        Event(),
    ],
)
def test_odd_events_are_shown_without_an_error(event: Event) -> None:
    for listener in (
        LineProgress(io.StringIO()),
        TerminalProgress(Terminal()),
        NotebookProgress(Display()),
    ):
        listener(event)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_every_event_comes_back_from_its_line() -> None:
    events = [
        *RUN,
        StageStep(1, 2, 0.5, 0.7, 1e-4, 90.0, 1.0, stage="mlm"),
        Resumed("training", 4, undone_from=7, time_before=3.5),
        ControlAnswered("id", "set", {"learning_rate": 1e-5}, "me", True, "why", "training", 3),
    ]
    assert {type(event) for event in events} == set(EVENT_TYPES.values())
    assert [parse_event(json.dumps(event.to_dict())) for event in events] == events


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"type": "new"}', '{"type": "stage"}'])
def test_a_line_that_is_no_event_is_passed_over(line: str) -> None:
    assert parse_event(line) is None


def test_keys_of_a_newer_version_are_passed_over() -> None:
    event = parse_event('{"type": "note", "text": "x", "colour": "red", "time": 1.0}')
    assert event == Noted("x", time=1.0)


def test_a_follower_outlives_a_broken_listener(tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        raise ValueError(event)

    EventLog(tmp_path / "events.jsonl")(StageStarted("data"))
    assert EventFollower(tmp_path / "events.jsonl", fail).poll() == 1


def test_a_follower_sees_each_event_once_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path, seen = tmp_path / "events.jsonl", []
    follower = EventFollower(path, seen.append)
    assert follower.poll() == 0
    log = EventLog(path)
    log(StageStarted("data", "ümläut"))
    assert follower.poll() == 1
    with path.open("a") as file:
        file.write('{"type": "note", ')
    assert follower.poll() == 0
    with path.open("a") as file:
        file.write('"text": "x", "time": 1.0}\nnot json\n')
    assert follower.poll() == 1
    assert [type(event) for event in seen] == [StageStarted, Noted]


@pytest.mark.parametrize("place", ["curve/case/n8", "noise/legal_prompts/s0"])
def test_runs_that_the_notebook_makes_below_are_followed_too(place: str, tmp_path: Path) -> None:
    """The points of a learning curve, and runs to compare with, after the run itself has ended."""
    seen: list[Event] = []
    follower = RunFollower(tmp_path, seen.append)
    EventLog(tmp_path / "events.jsonl")(RunEnded("succeeded"))
    follower.poll()
    below = tmp_path / place
    below.mkdir(parents=True)
    EventLog(below / "events.jsonl")(StageStarted("model"))
    follower.poll()
    follower.poll()
    told = [describe(event).split() for event in seen]
    assert told == [["succeeded"], [place.split("/")[0], below.name], ["model"]]
    late: list[Event] = []
    RunFollower(tmp_path, late.append, from_now=True).poll()
    assert late == []
