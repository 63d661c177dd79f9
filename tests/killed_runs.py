"""Runs in processes that can be killed, forked from one that has imported everything.

``python killed_runs.py`` reads a request a line and answers each with a line. It runs no operation
of torch itself, so that its children are like processes that have just been started.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tunebook.events import Event, StepTaken, read_events
from tunebook.host import PluginHost
from tunebook.records import RunDirectory


class Nursery:
    """A process that runs cases in children of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                **environment,
            },
            text=True,
        )

    def run(self, case: dict[str, Any], folder: Path, **how: Any) -> int:
        """Runs a case in `folder`, or goes on with it there; returns the signal that ended it.

        Args:
            case: As JSON types.
            folder: The run's; made where it is missing.
            how: `resume`; `steps`, after which the child kills itself; `seconds`, after which it
                is killed from outside; `fault`, the name of a function below.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        folder.mkdir(parents=True, exist_ok=True)
        request = {"case": case, "folder": str(folder), **how}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert not answer["error"], answer["error"]
        return int(answer["signal"])

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def nursery(**environment: str) -> Iterator[Nursery]:
    made = Nursery(environment)
    try:
        yield made
    finally:
        made.close()


def result_of(folder: Path) -> dict[str, Any]:
    """Returns all of a run's result that is not a time: hashes of files, scores, what was told."""
    directory = RunDirectory(folder)
    record = directory.read_record()
    assert record.status == "succeeded"
    content = record.model_dump(mode="json")
    kept = {
        name: _timeless(content[name])
        for name in ("report", "tasks", "training", "learning_curve", "parameters", "data")
    }
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".safetensors":
            kept[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".parquet":
            table = pd.read_parquet(path).to_json(double_precision=15)
            kept[str(path.relative_to(folder))] = table
    return kept | {"told": told(folder)}


def told(folder: Path) -> list[tuple[Any, ...]]:
    """Returns the steps and evaluations that a reader of the events sees."""
    kinds = ("step", "stage_step", "evaluation")
    names = ("type", "stage", "step", "epoch", "loss", "learning_rate", "scores", "best")
    events = read_events(folder / "events.jsonl")
    return [tuple(e.get(name) for name in names) for e in events if e["type"] in kinds]


def _timeless(content: Any) -> Any:
    # and whether a baseline was there already
    timed = ("seconds", "evaluation_seconds", "examples_per_second", "run_id", "reused")
    if isinstance(content, dict):
        return {key: _timeless(value) for key, value in content.items() if key not in timed}
    return [_timeless(value) for value in content] if isinstance(content, list) else content


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Killer:
    """Kills its process at the n-th step that it hears of."""

    def __init__(self, steps: int | None) -> None:
        self.left = steps

    def __call__(self, event: Event) -> None:
        if self.left is not None and isinstance(event, StepTaken):
            self.left -= 1
            if self.left <= 0:
                die()


def in_the_third_write() -> None:
    """Kills while a checkpoint's files are there but not yet its name."""
    from tunebook.training import checkpoints

    sync, names = checkpoints._sync, []

    def deadly(path: Path) -> None:
        names.append(path.name)
        if names.count(checkpoints.MANIFEST) == 3:
            die()
        sync(path)

    checkpoints._sync = deadly


def in_the_evaluation() -> None:
    """Kills after the training, before anything is scored."""
    from tunebook import runner

    runner.evaluate = lambda *_, **__: die()


def in_the_saving() -> None:
    """Kills while the model is written."""
    from tunebook.export import bundle

    bundle.save_file = lambda *_, **__: die()


def _child(request: dict[str, Any], host: PluginHost) -> None:
    from tunebook.learning_curve import trace_learning_curve
    from tunebook.resumption import finished
    from tunebook.runner import execute, resume_run
    from tunebook.schema import CaseSchema

    if request.get("fault"):
        globals()[request["fault"]]()
    directory, heard = RunDirectory(Path(request["folder"])), [_Killer(request.get("steps"))]
    resumes = request.get("resume", False)
    if resumes and finished(directory):
        run = resume_run(directory, host, listeners=heard)
    else:
        case = CaseSchema(host).validate(request["case"])
        run = execute(directory, case, host, heard, resumes=resumes, pictures=False)
    if request["case"].get("evaluation", {}).get("learning_curve"):
        trace_learning_curve(run, host, listeners=heard)


def _born(request: dict[str, Any], host: PluginHost) -> int:
    child = os.fork()
    if child:
        return child
    log = os.open(f"{request['folder']}/log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    try:
        _child(request, host)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _serve() -> None:
    import peft  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    import tunebook.learning_curve  # noqa: F401

    with contextlib.suppress(ImportError):
        import adapters  # noqa: F401
    host = PluginHost()
    for line in sys.stdin:
        request = json.loads(line)
        child = _born(request, host)
        if "seconds" in request:
            threading.Thread(target=_kill_later, args=(child, request["seconds"])).start()
        _, status = os.waitpid(child, 0)
        error = ""
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            error = Path(request["folder"], "log.txt").read_text()
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        print(json.dumps({"signal": ended, "error": error}), flush=True)


def _kill_later(child: int, seconds: float) -> None:
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
