"""The notebooks: lesson cells by the rules, and a smoke run through papermill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tunebook.host import PluginHost
from tunebook.notebooks.lint import lint_notebook
from tunebook.records import RunDirectory

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CASES = PluginHost().names("case")
TUTORIALS = ["choose_a_strategy", "compare_batch", "write_a_plugin"]
"""Notebooks that are no case."""
NEEDS_ADAPTERS = ("licence_rules", "multilingual_sentiment")
HERE = [
    pytest.param(name, marks=pytest.mark.adapters if name in NEEDS_ADAPTERS else ())
    for name in CASES
]


def test_every_case_has_its_notebook() -> None:
    assert [notebook.stem for notebook in NOTEBOOKS] == sorted([*CASES, *TUTORIALS])
    assert len(CASES) == 6


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_the_rules(notebook: Path) -> None:
    assert lint_notebook(notebook) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_the_smoke_preset_runs_to_a_result(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tunebook.cli", "run", name, "-p", "preset=smoke", "--json"]
    done = subprocess.run(
        [*command, "--runs-dir", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    run = RunDirectory(Path(answer["path"]))
    record = run.read_record()
    assert record.status == "succeeded"
    for each in record.by_task().values():
        assert each.report is not None
        assert each.report.scores["macro_f1"].value > 0.2
    executed = nbformat.read(run.notebook, as_version=4)
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert len(code) >= 12
    outputs = [output for cell in code for output in cell.outputs]
    red = [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert red == [], "a warning in a lesson reads like a mistake of the reader"
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 4
    report = run.report.read_text(encoding="utf-8")
    assert report.count("data:image/png;base64,") >= 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("medical_coding", "evaluation.learning_curve=[]"),
        ("medical_pretraining", "limits.eval_rows=100"),
    ],
)
def test_the_notebook_gives_what_the_library_gives(name: str, changed: str, tmp_path: Path) -> None:
    """Same case, same seed: once through papermill and a kernel, once in this interpreter."""
    parameters = ["-p", "preset=smoke", "-p", "seed=3", "-p", "strategy=feature_extraction"]
    parameters += ["-p", changed]
    environment = os.environ | {"TUNEBOOK_RUNS_DIR": str(tmp_path)}
    results = []
    for extra in ([], ["--no-notebook"]):
        command = [sys.executable, "-m", "tunebook.cli", "run", name, *parameters]
        done = subprocess.run(
            [*command, *extra, "--json"],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        results.append(RunDirectory(Path(json.loads(done.stdout)["path"])).read_record())
    by_notebook, by_library = results
    assert by_notebook.report is not None
    assert by_library.report is not None
    assert by_notebook.report.scores == by_library.report.scores
    assert by_notebook.data["fingerprint"] == by_library.data["fingerprint"]
