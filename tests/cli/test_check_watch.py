"""`check --watch`: a round at once, one more for every change, and Ctrl-C is no error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin_sources import distribution

pytestmark = pytest.mark.slow

METRIC = '''
from typing import Literal
from pydantic import Field
from tunebook.config import PluginConfig
from tunebook.contracts import MetricResult
from tunebook.specs import MetricPlugin, hookimpl

class HitsConfig(PluginConfig):
    """Nothing to set."""
    kind: Literal["hits"] = Field("hits", description="Share of hits.")

@hookimpl
def tunebook_metrics():
    yield MetricPlugin("hits", "SUMMARY", HitsConfig, f"{__name__}:Hits", scores=("hits",))

class Hits:
    def __init__(self, config): ...
    def compute(self, predictions):
        return MetricResult({"hits": float((predictions.targets == predictions.predicted).mean())})
    def resample(self, predictions, draws):
        import numpy as np
        hits = predictions.targets == predictions.predicted
        return {"hits": np.array([hits[draw].mean() for draw in draws])}
'''
GOOD = METRIC.replace("SUMMARY", "Share of hits.")


class Watching:
    """A `check --watch --json` in a process of its own, read line by line."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        command = [sys.executable, "-c", "from tunebook.cli import main; main()", "check"]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments), "--watch", "--quick", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )

    def round(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        answer: dict[str, Any] = json.loads(line)
        return answer

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hits.py"
    path.write_text(GOOD)
    return path


def test_every_change_of_a_file_is_a_round(file: Path) -> None:
    watching = Watching(file)
    first = watching.round()
    assert (first["event"], first["number"], first["failed"]) == ("round", 1, 0)
    assert first["passed"] >= 15
    assert first["schema_version"] == 1
    file.write_text(METRIC.replace("SUMMARY", "Share\\nof hits"))
    second = watching.round()
    assert second["failed"] == 1
    assert second["error"]["problems"][0]["where"] == "metric:hits: any/summary-is-one-line"
    file.write_text("def half(")
    assert "SyntaxError" in watching.round()["error"]["problems"][0]["found"]
    file.unlink()
    assert watching.round()["error"]["problems"][0]["code"] == "plugin.file_missing"
    file.write_text(GOOD)
    last = watching.round()
    assert (last["number"], last["failed"]) == (5, 0)
    assert watching.interrupt() == 0


def test_a_package_is_imported_anew(tmp_path: Path) -> None:
    package = tmp_path / "hits_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(GOOD)
    distribution(tmp_path, "hits-dist", {"hits": "hits_package.plugin"}, {})
    watching = Watching("hits-dist", PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
    assert watching.round()["failed"] == 0
    (package / "plugin.py").write_text(GOOD.replace("Share of hits.", "Share of hits"))
    assert watching.round()["failed"] == 0
    (package / "plugin.py").write_text(GOOD.replace('hits": float(', 'hits": 1 + float('))
    assert watching.round()["failed"] >= 1
    assert watching.interrupt() == 0


@pytest.mark.parametrize("name", ["no_such.py", "no_such_plugin"])
def test_what_there_never_was_is_not_waited_for(name: str, tmp_path: Path) -> None:
    watching = Watching(tmp_path / name if name.endswith(".py") else name)
    answer = json.loads(watching.process.communicate(timeout=60)[0])
    assert watching.process.returncode == 2
    assert answer["error"]["problems"][0]["code"] in ("plugin.file_missing", "plugin.unknown")
