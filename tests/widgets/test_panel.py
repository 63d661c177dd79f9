"""The panel: what it shows, what its buttons ask, and that it keeps up with a run."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.controls import CONTROLS
from tunebook.events import ControlAnswered, Evaluated, EventLog, RunEnded, StageStarted, StepTaken
from tunebook.ownership import RUNS, owned
from tunebook.records import RunDirectory, RunRecord
from tunebook.widgets.curves import MOST_POINTS, line_chart, tick
from tunebook.widgets.panel import BUTTONS, Panel
from tunebook.widgets.view import RunView, smoothed


def step(number: int, loss: float | None = 0.5) -> StepTaken:
    return StepTaken(number, 100, number / 100, loss, 1e-4, 130.0, 75.0)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory.create(tmp_path / "runs", "tiny", "full-<s0>")
    record = RunRecord(run_id=directory.run_id, case="tiny", strategy="full", seed=0, started=1.0)
    directory.write_record(record)
    return directory


@pytest.fixture
def panel(run: RunDirectory) -> Iterator[Panel]:
    """Of a run that this process works on."""
    with owned(run.path, RUNS):
        made = Panel(run)
        yield made
        made.close()


def asked(run: RunDirectory) -> list[dict[str, Any]]:
    lines = run.control_file.read_text().splitlines() if run.control_file.exists() else []
    return [json.loads(line) for line in lines]


def test_events_become_figures_and_curves(run: RunDirectory, panel: Panel) -> None:
    log = EventLog(run.events_file)
    log(StageStarted("training"))
    for number in range(1, 11):
        log(step(number, 1 / number))
    log(Evaluated(10, 0.1, {"macro_f1": 0.6123}, best=True))
    panel.refresh()
    shown = panel.picture()
    for part in ("10 of 100", "0.1000", "1 min 15 s", "130 examples/s", "0.612", "training"):
        assert part in shown
    assert shown.count("<svg") == 3
    assert 'aria-label="Learning rate: rate 0.0001"' in shown
    assert "full-&lt;s0&gt;" in shown
    assert "<s0>" not in shown
    log(RunEnded("succeeded"))
    panel.refresh()
    assert panel.view.state == "succeeded"
    assert all(button.disabled for button in panel._buttons.values())


def test_runs_below_a_run_leave_its_panel_alone(run: RunDirectory) -> None:
    log = EventLog(run.events_file)
    for event in (
        step(7, 0.25),
        Evaluated(7, 0.2, {"macro_f1": 0.7}, best=True),
        RunEnded("succeeded"),
    ):
        log(event)
    point = RunDirectory.create(run.path / "curve", "tiny", "n8")
    other = EventLog(point.events_file)
    for event in (
        StageStarted("training"),
        step(1, 9.0),
        Evaluated(1, 0.1, {"macro_f1": 0.1}, best=True),
    ):
        other(event)
    panel = Panel(run)
    panel.close()
    assert panel.view.losses == [(7, 0.25)]
    assert panel.view.scores == {"macro_f1": [(7, 0.7)]}


def test_buttons_ask_and_what_ends_something_asks_twice(run: RunDirectory, panel: Panel) -> None:
    assert len(BUTTONS) == 7
    for action in BUTTONS:
        panel._buttons[action].click()
    assert [each["action"] for each in asked(run)] == [
        name for name in BUTTONS if not CONTROLS[name].destructive
    ]
    assert panel._buttons["stop"].description == "really stop?"
    panel._buttons["stop"].click()
    assert asked(run)[-1]["action"] == "stop"
    assert asked(run)[-1]["by"] == "panel"
    assert panel._buttons["stop"].description == "stop"


def test_a_rate_is_typed_and_a_mistake_is_told_beside_it(run: RunDirectory, panel: Panel) -> None:
    panel._rate.value = "fast"
    panel._buttons["set …"].click()
    assert asked(run) == []
    assert "learning_rate" in panel._said.value
    panel._rate.value = "2e-5"
    panel._buttons["set …"].click()
    panel._note.value = "looks <b>fine</b>"
    panel._buttons["note …"].click()
    first, second = asked(run)
    assert first["learning_rate"] == 2e-5
    assert second["text"] == "looks <b>fine</b>"
    assert "<b>" not in panel._said.value


def test_only_what_can_be_asked_now_can_be_pressed(run: RunDirectory, panel: Panel) -> None:
    assert not panel._buttons["pause"].disabled
    assert panel._buttons["resume"].disabled
    EventLog(run.events_file)(ControlAnswered("x", "pause", {}, "me", True, "", "training", 3))
    panel.refresh()
    assert panel.view.state == "paused"
    assert panel._buttons["pause"].disabled
    assert not panel._buttons["resume"].disabled


def test_a_run_that_nobody_works_on_is_only_shown(run: RunDirectory) -> None:
    panel = Panel(run)
    assert all(button.disabled for button in panel._buttons.values())
    panel._thread.join(5)
    assert not panel._thread.is_alive()


def test_every_control_can_be_reached_by_keyboard_and_has_a_name(panel: Panel) -> None:
    buttons = [*panel._buttons.values()]
    assert len(buttons) == 9
    assert all(button.description for button in buttons)
    assert all(
        re.search(r'role="img" aria-label="[^"]+"', each.value)
        for each in (
            panel._shown["loss"],
            panel._shown["score"],
        )
    )


def test_what_is_no_number_is_shown_as_such() -> None:
    view = RunView()
    for event in (step(1), Evaluated(1, 0.1, {"macro_f1": 0.5}, best=True)):
        view(event)
    assert (view.facts()["loss"], view.facts()["macro_f1"]) == ("0.5000", "0.500")
    for event in (step(2, None), Evaluated(2, 0.2, {"macro_f1": math.nan}, best=False)):
        view(event)
    assert view.facts()["loss"] == view.facts()["macro_f1"] == "not a number"
    assert view.losses == [(1, 0.5)]
    assert view.scores == {"macro_f1": [(1, 0.5)]}


def test_steps_that_are_taken_again_replace_those_before() -> None:
    view = RunView()
    for number in (1, 2, 3, 2, 3, 4):
        view(step(number, number))
    assert view.losses == [(1, 1), (2, 2), (3, 3), (4, 4)]
    view(step(5, math.nan))
    view(step(6, None))
    assert view.losses[-1] == (4, 4)


def test_smoothing_keeps_a_level_and_dampens_a_jump() -> None:
    assert smoothed([(n, 2.0) for n in range(5)], 0.9) == [
        (n, pytest.approx(2.0)) for n in range(5)
    ]
    (_, first), (_, second) = smoothed([(0, 0.0), (1, 1.0)], 0.5)
    assert (first, second) == (0, pytest.approx(2 / 3))
    assert smoothed([(0, 1.0), (1, 9.0)], 0) == [(0, 1.0), (1, 9.0)]


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(-1e9, 1e9)), max_size=50),
    st.booleans(),
    st.text(max_size=20).filter(lambda text: text.isprintable()),
)
def test_any_points_make_a_picture(points: Any, log: bool, title: str) -> None:
    drawn = line_chart(title, {"a": sorted(points)}, log=log, faint=sorted(points))
    svg = ET.fromstring(drawn)
    for line in svg.iter("polyline"):
        places = [tuple(map(float, pair.split(","))) for pair in line.get("points", "").split()]
        assert places
        assert all(0 <= x <= 420 and 0 <= y <= 170 for x, y in places)


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    drawn = ET.fromstring(line_chart("x", {"a": [(n, float(n)) for n in range(10_000)]}))
    (line,) = drawn.iter("polyline")
    places = line.get("points", "").split()
    assert len(places) <= MOST_POINTS + 1
    assert places[-1] == "410.0,24.0"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.0365, "0.0365"),
        (0.001, "0.001"),
        (0.0004537, "4.54e-4"),
        (-0.00045, "-4.5e-4"),
        (7e-06, "7e-6"),
        (52271.1, "5.23e4"),
        (999.4, "999"),
    ],
)
def test_numbers_beside_an_axis_are_short(value: float, told: str) -> None:
    assert tick(value) == told
    assert told in line_chart("rate", {"rate": [(1, value), (2, value + 1)]})
