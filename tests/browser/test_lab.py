"""A person steers a run in JupyterLab: panel, reload, attach, form."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny

NOISE = re.compile(r"widget model not found|error displaying widget", re.I)


@pytest.fixture
def folder(tiny_bert: Path, tmp_path: Path) -> Path:
    """A case that trains for minutes on a tiny model, and a notebook with nothing in it."""
    content = tiny.case_content(tiny_bert, name="live")
    content["training"] |= {"epochs": 900, "evaluations": 8}
    content["evaluation"] = {"bootstrap": {"resamples": 100}, "baselines": ["majority"]}
    (tmp_path / "live.json").write_text(json.dumps(content))
    return tmp_path


def write_notebook(folder: Path, *sources: str) -> None:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / "live.ipynb").write_text(json.dumps(content))


def open_notebook(page: Any, lab: str) -> None:
    page.goto(f"{lab}/lab/tree/live.ipynb?token=test&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.get_by_text("| Idle").wait_for()


def run_cell(page: Any, number: int) -> None:
    page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def button(page: Any, name: str) -> Any:
    exactly = re.compile(f"^\\s*{re.escape(name)}\\s*$")  # beside its icon
    return page.locator("button.jupyter-button").filter(has_text=exactly)


def steps(folder: Path) -> int:
    return sum(
        file.read_text().count('"type": "step"') for file in folder.glob("runs/*/*/events.jsonl")
    )


def until(condition: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def answered(folder: Path) -> list[str]:
    """Returns what the training has done of what it was asked, in order."""
    text = "".join(file.read_text() for file in folder.glob("runs/*/*/events.jsonl"))
    events = [json.loads(line) for line in text.splitlines()]
    return [e["action"] for e in events if e["type"] == "control" and e["accepted"]]


def record(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("runs/*/*/record.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_a_run_is_paused_slowed_left_found_again_and_stopped(
    lab: str, page: Any, snap: Callable[[str], None], folder: Path
) -> None:
    write_notebook(
        folder,
        "import tunebook as tb\ncase = tb.load_case('live.json')\nlive = tb.start(case)\nlive",
        "tb.attach('last')",
        "live.wait()",
    )
    open_notebook(page, lab)
    run_cell(page, 0)
    until(lambda: steps(folder) > 5)
    page.get_by_text("examples/s").wait_for()
    snap("1-running")

    button(page, "pause").click()
    page.get_by_text(re.compile("paused")).first.wait_for()
    before = steps(folder)
    time.sleep(1.5)
    assert steps(folder) == before
    page.get_by_placeholder("1e-5").fill("2e-5")
    button(page, "set").click()
    page.get_by_text("learning_rate=2e-05").first.wait_for()
    snap("2-paused")
    button(page, "resume").click()
    until(lambda: steps(folder) > before)

    page.reload()
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.get_by_text("| Idle").wait_for()
    run_cell(page, 1)
    page.get_by_text("examples/s").last.wait_for()
    snap("3-attached")
    button(page, "stop").last.click()
    button(page, "really stop?").last.click()
    until(lambda: record(folder)["status"] == "succeeded")
    page.locator(".tunebook-run").first.wait_for()  # a picture that stays
    snap("4-ended")
    assert [each["action"] for each in record(folder)["controls"]] == [
        "pause",
        "set",
        "resume",
        "stop",
    ]

    page.keyboard.press("Control+s")
    until(lambda: "tunebook-run" in (folder / "live.ipynb").read_text())
    page.goto("about:blank")
    page.goto(f"{lab}/lab/tree/live.ipynb?token=test&reset")
    page.locator(".tunebook-run").first.wait_for()
    snap("5-opened-again")
    assert not NOISE.search(page.inner_text("body"))


MEDICAL = Path(__file__).parents[2] / "notebooks" / "medical_coding.ipynb"


def write_medical(folder: Path) -> None:
    """Writes the medical notebook with the smoke preset, and a curve of one more point."""
    content = json.loads(MEDICAL.read_text())
    (parameters,) = [c for c in content["cells"] if "parameters" in c["metadata"].get("tags", [])]
    source = "".join(parameters["source"])
    changed = source.replace('preset = "default"', 'preset = "smoke"')
    assert changed != source
    parameters["source"] = changed
    (folder / "live.ipynb").write_text(json.dumps(content))


def cells(folder: Path) -> list[dict[str, Any]]:
    """Returns the code cells of the saved notebook."""
    content = json.loads((folder / "live.ipynb").read_text())
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def run_all(page: Any) -> None:
    page.get_by_role("menubar").get_by_text("Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def test_the_medical_notebook_is_steered_while_all_of_it_runs(
    lab: str, page: Any, snap: Callable[[str], None], tmp_path: Path
) -> None:
    write_medical(tmp_path)
    open_notebook(page, lab)
    run_all(page)
    # nothing is pressed but by a person, so the cell that awaits the run is under way by now
    pause = button(page, "pause")
    pause.wait_for(timeout=120_000)
    until(lambda: pause.is_enabled())
    pause.click()
    until(lambda: answered(tmp_path) == ["pause"])  # at the first step
    before = steps(tmp_path)
    time.sleep(1.5)
    assert steps(tmp_path) == before
    page.get_by_placeholder("1e-5").fill("2e-5")
    button(page, "set").click()
    until(lambda: answered(tmp_path) == ["pause", "set"])
    panel = page.locator(".widget-html")
    panel.filter(has_text=re.compile(r"state\s*paused")).first.wait_for()
    snap("9-medical-paused")
    button(page, "resume").click()
    until(lambda: steps(tmp_path) > before)
    button(page, "stop").click()
    button(page, "really stop?").click()
    until(lambda: record(tmp_path).get("learning_curve"), 240)
    assert record(tmp_path)["status"] == "succeeded"
    done = [each["action"] for each in record(tmp_path)["controls"]]
    assert done == ["pause", "set", "resume", "stop"]
    page.get_by_text("| Idle").wait_for()
    page.keyboard.press("Control+s")
    until(lambda: cells(tmp_path)[-1]["outputs"])
    outputs = [out for cell in cells(tmp_path) for out in cell["outputs"]]
    assert all(cell["outputs"] for cell in cells(tmp_path)[1:])  # all but the parameters
    assert not [out for out in outputs if out["output_type"] == "error"]
    assert "tunebook-run" in json.dumps(outputs)
    snap("10-medical-ended")


def test_data_and_mistakes_are_looked_through(
    lab: str, page: Any, snap: Callable[[str], None], tmp_path: Path
) -> None:
    write_notebook(
        tmp_path,
        "import tunebook as tb\ncase = tb.load_case('medical_coding', preset='smoke')\n"
        "tb.browse(tb.load_dataset(case))",
        "run = tb.run_case(case)\ntb.browse(run)",
    )
    open_notebook(page, lab)
    run_cell(page, 0)
    page.get_by_placeholder("part of a text").fill("fracture")
    page.keyboard.press("Tab")
    page.get_by_text(re.compile("[Ff]racture")).first.wait_for()
    snap("11-data")
    run_cell(page, 1)
    page.get_by_text("press a cell").scroll_into_view_if_needed(timeout=120_000)
    snap("12-mistakes")
    page.get_by_label("row", exact=True).last.select_option("1")
    page.get_by_text("shaded").scroll_into_view_if_needed()
    snap("13-words")


def test_an_audition_of_another_process_is_followed(
    lab: str, page: Any, snap: Callable[[str], None], tiny_bert: Path, tmp_path: Path
) -> None:
    (tmp_path / "live.json").write_text(json.dumps(tiny.case_content(tiny_bert, name="live")))
    write_notebook(tmp_path, "import tunebook as tb\ntb.browse(tb.load_audition())")
    open_notebook(page, lab)
    words = ["audition", "live.json", "--grid", "strategy=full,freeze", "--first-rows", "8"]
    command = [sys.executable, "-c", "from tunebook.cli import main; main()", *words]
    audition = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    until(lambda: list(tmp_path.glob("runs/batches/*/audition.json")))
    run_cell(page, 0)
    page.get_by_label(re.compile("^budget of")).wait_for()
    snap("14-audition")
    # the cell is not run again: what is shown keeps up by itself
    page.get_by_text("That is on all training rows").wait_for(timeout=120_000)
    assert page.get_by_role("columnheader", name=re.compile("rung 2")).is_visible()
    assert page.get_by_role("img", name=re.compile("interval")).count() == 4
    snap("15-audition-ended")
    assert audition.wait(60) == 0


def test_a_form_is_filled_in_and_started(
    lab: str, page: Any, snap: Callable[[str], None], folder: Path
) -> None:
    write_notebook(folder, "import tunebook as tb\ntb.configure('live.json')")
    open_notebook(page, lab)
    run_cell(page, 0)
    button(page, "Start").wait_for()
    snap("6-form")
    batch = page.get_by_label("batch_size").first
    batch.fill("many")
    page.get_by_role("alert").first.wait_for()
    assert "many" in page.get_by_role("alert").first.inner_text()
    snap("7-form-with-a-mistake")
    assert button(page, "Start").is_disabled()
    batch.fill("4")
    page.get_by_label("epochs").first.fill("2")
    button(page, "Start").click()
    until(lambda: list(folder.glob("runs/*/*/record.json")))
    until(lambda: record(folder)["status"] == "succeeded")
    page.get_by_text("succeeded").first.wait_for()
    snap("8-form-started")
    assert record(folder)["training"]["epochs"] == 2
