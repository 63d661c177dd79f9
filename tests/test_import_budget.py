"""The light commands stay light: nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "pandas", "numpy", "sklearn", "datasets", "peft", "adapters"}
HEAVY |= {"matplotlib", "seaborn", "papermill", "nbformat", "IPython", "pyarrow", "scipy"}

PROBE = """
import atexit, json, sys
atexit.register(lambda: print("MODULES", json.dumps(sorted(sys.modules)), file=sys.stderr))
from tunebook.cli import main
main(sys.argv[1:])
"""


def modules_after(code: str, *arguments: str) -> set[str]:
    """Returns the top-level packages that a process has imported at its end."""
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in result.stderr.splitlines() if line.startswith("MODULES ")]
    assert len(lines) == 1, result.stderr
    return {name.partition(".")[0] for name in json.loads(lines[0].removeprefix("MODULES "))}


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["plugins"],
        ["plugins", "--json"],
        ["schema"],
        ["schema", "strategy", "lora"],
        ["describe", "lora"],
        ["describe", "icd10cm"],
        ["validate", "medical_coding"],
        ["validate", "legal_licences", "-p", "stratgy=lora"],
        ["runs"],
        ["describe", "--json"],
        ["run", "medical_coding", "--dry-run"],
        ["status", "no-such-run"],
        ["wait", "no-such-run"],
        ["logs", "no-such-run"],
        ["stop", "no-such-run"],
        ["plan", "medical_coding", "-p", "stratgy=lora"],
        ["show", "no-such-run"],
        ["predict", "no-such-run", "text"],
        ["leaderboard", "no-such-batch"],
        ["run", "medical_coding", "-p", "stratgy=lora"],
        ["check", "no-such-plugin"],
        ["kernel", "status"],
        ["kernel", "--help"],
        ["batch", "medical_coding", "--grid", "seed=1..3", "--dry-run"],
        ["batch", "medical_coding", "--grid", "stratgy=lora"],
        ["batches"],
        ["resume", "no-such-batch"],
        ["rerun", "no-such-run"],
        ["cache", "ls"],
        ["cache", "rm", "--all"],
        ["describe", "plan"],
        ["new", "--help"],
        ["new", "plugin", "top_layers", "--kind", "strategy", "--dry-run"],
        ["new", "case", "tickets", "--task", "regression", "--dry-run"],
        ["nb", "params", "notebooks/medical_coding.ipynb"],
        ["nb", "set", "notebooks/medical_coding.ipynb", "seed=1", "--dry-run"],
        ["nb", "strip", "no-such.ipynb"],
        ["nb", "diff", "notebooks/medical_coding.ipynb", "notebooks/medical_coding.ipynb"],
        ["mcp", "--help"],
        ["mcp", "--workspace", "no-such-folder"],
        ["skills", "text"],
    ],
    ids=" ".join,
)
def test_a_light_command_imports_nothing_heavy(command: list[str]) -> None:
    imported = modules_after(PROBE, *command)
    assert "tunebook" in imported
    assert imported & HEAVY == set()


def test_the_probe_would_notice() -> None:
    code = PROBE.replace("from tunebook.cli", "import numpy\nfrom tunebook.cli")
    assert "numpy" in modules_after(code, "--help")


@pytest.mark.parametrize(
    "module",
    [
        "tunebook",
        "tunebook.cases",
        "tunebook.cli.application",
        "tunebook.events",
        "tunebook.composition",
        "tunebook.handles",
        "tunebook.host",
        "tunebook.planning",
        "tunebook.surface",
        "tunebook.testing",
        "tunebook.notebooks",
        "tunebook.progress",
        "tunebook.records",
        "tunebook.schema",
    ],
)
def test_a_light_floor_imports_nothing_heavy(module: str) -> None:
    end = 'import sys, json; print("MODULES", json.dumps([*sys.modules]), file=sys.stderr)'
    assert modules_after(f"import {module}; {end}") & HEAVY == set()


def test_host_and_schema_need_nothing_heavy() -> None:
    code = (
        "import sys, json\n"
        "from tunebook.host import PluginHost\n"
        "from tunebook.schema import CaseSchema\n"
        "host = PluginHost()\n"
        "assert len(host.listing()) > 15\n"
        "CaseSchema(host).json_schema()\n"
        'print("MODULES", json.dumps([*sys.modules]), file=sys.stderr)'
    )
    assert modules_after(code) & HEAVY == set()
