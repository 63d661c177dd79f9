"""How long it takes from a click in the panel to the step at which it is done.

    python tests/benchmarks/control_latency.py [CLICKS]

A real kernel trains a BERT as large as MiniLM on tiny texts in the background; `pause` and `resume`
are pressed in turn, by the messages that a browser sends. The time is from sending the message to
the event of the answer. A pause waits for the end of the step that is under way; a resume doesn't.

"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import save_model
from jupyter_client.manager import KernelManager
from machine import heading

from tunebook.testing import tiny

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "widgets")]
from test_kernel import Notebook  # noqa: E402 - found where the lines above say


def events(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.glob("runs/*/*/events.jsonl")
    whole = file.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def answers(folder: Path) -> list[dict[str, Any]]:
    return [event for event in events(folder) if event["type"] == "control"]


def measure(notebook: Notebook, folder: Path, clicks: int) -> dict[str, list[float]]:
    """Returns the seconds from a click to its answer, by action."""
    taken: dict[str, list[float]] = {"pause": [], "resume": []}
    for number in range(clicks):
        action = ("pause", "resume")[number % 2]
        (model,) = notebook._buttons(action)
        notebook.until(lambda model=model: not notebook.widgets[model]["disabled"])
        sent = time.time()
        notebook.press(action)
        while len(found := answers(folder)) <= number:
            time.sleep(0.01)
        assert (found[-1]["action"], found[-1]["accepted"]) == (action, True)
        taken[action].append(found[-1]["time"] - sent)
    return taken


def main(clicks: int = 100) -> None:
    print(heading())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.chdir(folder)
        content = tiny.case_content(save_model(folder / "model"), name="live")
        content["training"] |= {"epochs": 1000, "evaluations": 1}
        (folder / "live.json").write_text(json.dumps(content))
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=place)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        notebook = Notebook(client, manager)
        notebook.run("import tunebook as tb\nrun = tb.start(tb.load_case('live.json'))\nrun")
        notebook.until(lambda: [*folder.glob("runs/*/*/events.jsonl")])
        notebook.until(lambda: sum(e["type"] == "step" for e in events(folder)) > 5)
        taken = measure(notebook, folder, clicks)
        times = [event["time"] for event in events(folder) if event["type"] == "step"]
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(
        f"between two reports of steps, pauses included: {statistics.median(np.diff(times)):.1f} s"
    )
    for action, seconds in taken.items():
        median, high = np.percentile(seconds, [50, 95])
        print(f"{action}: {len(seconds)} clicks, median {median:.3f} s, 95 % {high:.3f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
