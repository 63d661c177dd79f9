"""Where a run is, from the end of its events; and its log, in pieces, however much there is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.errors import ConfigError
from tunebook.events import (
    ControlAnswered,
    Evaluated,
    Event,
    EventLog,
    Noted,
    Resumed,
    StageStarted,
    StageStep,
    StepTaken,
)
from tunebook.handles import last_lines, logs_since, state_of
from tunebook.handles.logs import MOST_BYTES
from tunebook.handles.newest import progress_of
from tunebook.ownership import RUNS, owned
from tunebook.progress import ProgressState
from tunebook.records import RunDirectory


def step(number: int, total: int = 100) -> StepTaken:
    return StepTaken(number, total, 0.5, 0.7, 1e-4, 10.0, 65.0)


def control(action: str, accepted: bool = True) -> ControlAnswered:
    return ControlAnswered("x", action, {}, "me", accepted, "", "training", 5)


EVENTS: list[Event] = [
    StageStarted("data"),
    StageStarted("training"),
    step(4),
    step(5),
    StageStep(1, 9, 0.1, 0.5, 1e-3, 9.0, 8.0, stage="unfreezing"),
    Evaluated(5, 0.5, {"macro_f1": 0.61}, True),
    Noted('a text with {"type": "stage", "stage": "no"} in it'),
    control("pause"),
    control("pause", accepted=False),
    control("resume"),
    control("stop"),
    control("note"),
]


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_the_newest_events_say_what_all_of_them_say(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    log, whole = EventLog(path), ProgressState()
    for event in events:
        log(event)
        whole.update(event)
    found, last = progress_of(path)
    assert found == whole
    assert last == (events[-1].time if events else None)


def test_what_a_resumed_run_has_undone_is_left_out(run: RunDirectory) -> None:
    log = EventLog(run.events_file)
    for event in (StageStarted("training"), step(50), Resumed("training", 40, 1)):
        log(event)
    assert state_of(run)["progress"]["step"] is None
    log(step(41))
    assert state_of(run)["progress"]["step"] == 41


def test_a_line_that_is_being_written_is_left_for_later(run: RunDirectory) -> None:
    log = EventLog(run.events_file)
    log(step(1))
    with run.events_file.open("a") as file:
        file.write(json.dumps(step(2).to_dict())[:40])
    assert state_of(run)["progress"]["step"] == 1


def test_a_hundred_megabytes_of_events_are_no_hindrance(run: RunDirectory) -> None:
    log = EventLog(run.events_file)
    log(StageStarted("training"))
    line = (json.dumps(step(7).to_dict()) + "\n").encode()
    with run.events_file.open("ab") as file:
        for _ in range(100):
            file.write(line * (2**20 // len(line)))
    began = time.monotonic()
    told = state_of(run)["progress"]
    assert time.monotonic() - began < 2
    assert (told["stage"], told["step"], told["total_steps"]) == ("training", 7, 100)
    assert len(json.dumps(told)) < 2000


# ---- logs ----


def test_a_log_is_read_in_pieces_to_its_end(run: RunDirectory) -> None:
    lines = [f"line {number} é" for number in range(8000)]
    run.log_file.write_text("\n".join(lines) + "\n")
    found, since, pieces = [], 0, 0
    while True:
        piece = logs_since(run, since)
        found += piece.lines
        since, pieces = piece.next, pieces + 1
        assert piece.next - piece.since <= MOST_BYTES
        if not piece.more:
            break
    assert (found, pieces) == (lines, 2)
    assert logs_since(run, since).lines == []
    assert last_lines(run, 2).lines == lines[-2:]
    assert last_lines(run, 2).next == since


def test_a_line_that_is_not_whole_waits_while_the_run_goes_on(run: RunDirectory) -> None:
    run.log_file.write_text("one\ntwo")
    with owned(run.path, RUNS):
        assert logs_since(run).lines == ["one"]
        assert last_lines(run, 5).lines == ["one"]
    assert logs_since(run).lines == ["one", "two"]
    assert last_lines(run, 5).lines == ["one", "two"]


@pytest.mark.parametrize("letter", ["a", "é", "語", "🙂"])
def test_a_line_of_a_hundred_megabytes_is_cut_between_letters(
    run: RunDirectory, letter: str
) -> None:
    run.log_file.write_bytes(letter.encode() * (100 * 2**20 // len(letter.encode())))
    with owned(run.path, RUNS):
        first = logs_since(run, 0)
        second = logs_since(run, first.next)
    assert first.more
    assert {*first.lines[0]} == {*second.lines[0]} == {letter}
    assert MOST_BYTES - 4 < first.next <= MOST_BYTES
    assert len(last_lines(run, 3).lines) == 1


def test_bytes_that_are_no_text_do_no_harm(run: RunDirectory) -> None:
    run.log_file.write_bytes(b"\xff\xfe\x80\n" + b"\x80" * MOST_BYTES)
    with owned(run.path, RUNS):
        piece = logs_since(run, 4)
    assert piece.next > 4
    assert logs_since(run, 0).lines[0] == "\ufffd" * 3


@pytest.mark.parametrize("since", [-1, 5, 10**12])
def test_a_place_that_is_not_there(run: RunDirectory, since: int) -> None:
    run.log_file.write_text("one\n")
    with pytest.raises(ConfigError) as caught:
        logs_since(run, since)
    (problem,) = caught.value.problems
    assert problem.code == "logs.no_such_place"
    assert problem.expected == "a place in log.txt, 0 to 4"


def test_without_a_log_events_are_told_in_words(run: RunDirectory) -> None:
    assert logs_since(run).lines == last_lines(run, 3).lines == []
    for event in EVENTS[:6]:
        EventLog(run.events_file)(event)
    piece = logs_since(run)
    assert piece.source == "events.jsonl"
    assert piece.lines[0].startswith("data")
    assert piece.lines[-1].startswith("evaluation")
    assert piece.next == run.events_file.stat().st_size
    assert Path(run.path / piece.source).exists()
