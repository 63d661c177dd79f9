"""What is asked of a process that has seen nothing yet; run as ``python -m``, it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
    request = json.dumps({"source": dict(source), **arguments})
    done = subprocess.run(
        [sys.executable, "-m", __name__, task, request],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CheckFailed(f"a fresh process ended with: {last}", "see that it loads on its own")
    return json.loads(done.stdout.splitlines()[-1])


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


TASKS: Mapping[str, Callable[..., Any]] = {"imported": imported, "logits": logits}


def _register(host: PluginHost, source: Source) -> None:
    import importlib

    for name in source.get("modules", ()):
        host.register(importlib.import_module(name))


if __name__ == "__main__":
    os.environ.pop("TUNEBOOK_PLUGIN_FILES", None)  # what is needed of them is in the request
    answer = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
