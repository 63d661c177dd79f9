"""How long a command takes to say something, with 30 more plugins installed: ``python startup.py``.

The plugins are folders of metadata with entry points and a light module each, on PYTHONPATH, as an
installer leaves them. Each command is timed in turn with a bare Python, so that a machine that is
busy for a while slows both; the ratio is of their medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import tunebook": ["-c", "import tunebook"],
    "tunebook --help": ["-m", "tunebook.cli", "--help"],
    "tunebook run --help": ["-m", "tunebook.cli", "run", "--help"],
    "tunebook runs": ["-m", "tunebook.cli", "runs"],
    "tunebook plugins": ["-m", "tunebook.cli", "plugins"],
    "tunebook describe --json": ["-m", "tunebook.cli", "describe", "--json"],
}
TARGET = ("tunebook --help", 0.4)
"""What has to be said within so many seconds."""

PLUGIN = '''
from typing import Literal

from pydantic import Field

from tunebook import PluginConfig, hookimpl
from tunebook.specs import StrategyPlugin


class Config(PluginConfig):
    """Settings."""

    kind: Literal["extra_{0}"] = "extra_{0}"
    rank: int = Field(8, ge=1, description="Rank.")
    rate: float = Field(0.1, ge=0, le=1, description="Rate.")


@hookimpl
def tunebook_strategies():
    yield StrategyPlugin("extra_{0}", "One more.", Config, factory="extra_{0}.impl:Extra")
'''


def install(folder: Path, count: int) -> None:
    """Leaves so many distributions with a strategy each in a folder."""
    for number in range(count):
        package = folder / f"extra_{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text(PLUGIN.format(number))
        about = folder / f"extra_{number}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: extra-{number}\nVersion: 1\n"
        )
        entry = f"[tunebook]\nextra_{number} = extra_{number}.plugin\n"
        (about / "entry_points.txt").write_text(entry)


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Returns the time of one call."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder), given.plugins)
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": path}
        took: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for round_ in range(given.rounds + 1):
            for name, arguments in COMMANDS.items():
                found = seconds(arguments, environment)
                if round_:  # the first fills caches of bytecode and of the disk
                    took[name].append(found)
    middle = {name: statistics.median(each) for name, each in took.items()}
    bare = middle["python -c pass"]
    rows = {
        name: {
            "seconds": round(value, 3),
            "least": round(min(took[name]), 3),
            "most": round(max(took[name]), 3),
            "times_bare_python": round(value / bare, 1),
        }
        for name, value in middle.items()
    }
    if given.json:
        print(json.dumps({"plugins": given.plugins, "rounds": given.rounds, "commands": rows}))
        return
    print(f"{given.plugins} more plugins, {given.rounds} rounds")
    for name, row in rows.items():
        spread = f"({row['least']:.3f} to {row['most']:.3f})"
        print(f"{name:<26} {row['seconds']:.3f} s {spread}, {row['times_bare_python']} × python")
    name, limit = TARGET
    met = "met" if middle[name] < limit else "missed"
    print(f"target: {name} under {limit} s: {met}")


if __name__ == "__main__":
    main()
