"""What is asked of a process that has seen nothing yet; run as ``python -m``, it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunebook.host import PluginHost
from tunebook.testing.check import CheckFailed

Source = Mapping[str, Sequence[str]]


def call(task: str, source: Source, **arguments: Any) -> Any:
    """Returns what a task of this module says in a new process.

    Args:
        task: Key of `TASKS`.
        source: Where the plugin comes from, see `Candidate.source`.
        arguments: Arguments of the task, in JSON types.

    Raises:
        CheckFailed: The process came to no answer.
    """
    done = subprocess.run(
        _command(task, source, arguments),
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CheckFailed(f"a fresh process ended with: {last}", "see that it loads on its own")
    return json.loads(done.stdout.splitlines()[-1])


def call_and_kill(task: str, source: Source, **arguments: Any) -> Any:
    """Returns what a task says in a new process, which is killed when it has said it.

    Raises:
        CheckFailed: The process came to no answer.
    """
    command = _command(task, source, arguments)
    # nothing but the answer is listened to: what it leaves running may hold other pipes open
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(), text=True
    ) as process:
        assert process.stdout is not None
        lines = (line for line in process.stdout if line.startswith("["))
        answer = next(lines, None)
        process.kill()
        process.wait()
    if answer is None:
        raise CheckFailed("a fresh process came to no answer", "see that it loads on its own")
    return json.loads(answer)


def _command(task: str, source: Source, arguments: Mapping[str, Any]) -> list[str]:
    request = json.dumps({"source": dict(source), **arguments})
    return [sys.executable, "-m", __name__, task, request]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def imported(source: Source) -> list[str]:
    """Returns the modules that loading the plugin alone imports."""
    before = {*sys.modules}
    host = PluginHost(
        discover="only" in source,
        only=source.get("only"),
        files=source.get("files", ()),
        strict=True,
    )
    _register(host, source)
    return sorted({*sys.modules} - before)


def logits(
    source: Source, folders: Sequence[str], texts: Sequence[str], pairs: Sequence[str] | None = None
) -> list[Any]:
    """Returns the logits of the classifiers that lie in `folders`."""
    from tunebook.export import load_classifier

    host = PluginHost(files=source.get("files", ()))
    _register(host, source)
    return [load_classifier(folder, host).logits(texts, pairs).tolist() for folder in folders]


def family(source: Source, settings: Mapping[str, Any], place: str) -> list[int]:
    """Returns the processes of a command that an executor has started, in the folder `place`."""
    from tunebook.testing.attempting import FAMILY, Trial

    host = PluginHost(files=source.get("files", ()))
    _register(host, source)
    config = host.get("executor", str(settings["kind"])).config.model_validate(settings)
    trial = Trial(host.create("executor", config), Path(place))
    _kept.append(trial)
    found: list[int] = trial.mark(trial.start(FAMILY), "family")
    return found


_kept: list[Any] = []
"""What must live until the process ends."""

TASKS: Mapping[str, Callable[..., Any]] = {
    "imported": imported,
    "logits": logits,
    "family": family,
}


def _register(host: PluginHost, source: Source) -> None:
    import importlib

    for name in source.get("modules", ()):
        host.register(importlib.import_module(name))


if __name__ == "__main__":
    os.environ.pop("TUNEBOOK_PLUGIN_FILES", None)  # what is needed of them is in the request
    answer = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()
    if sys.argv[1] == "family":
        sys.stdin.read()  # whoever asked kills this process
