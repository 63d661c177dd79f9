"""What a run was launched with, kept beside it so that it can be launched again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunebook.cache import file_sha256
from tunebook.errors import ConfigError, Problem
from tunebook.records import RunDirectory, write_atomically

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Launched:
    """A launch.

    Attributes:
        notebook: None where the library ran alone.
        injected: Parameters that went into the notebook.
        plugin_files: Single-file plugins.
        hashes: SHA-256 of these files by path, as they were then.
        processes: How many trained the model together.
    """

    notebook: Path | None = None
    injected: Mapping[str, Any] = field(default_factory=dict)
    plugin_files: Sequence[Path] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1

    @classmethod
    def now(
        cls,
        notebook: Path | None,
        injected: Mapping[str, Any],
        plugin_files: Sequence[str | Path],
        processes: int = 1,
    ) -> Launched:
        """Returns a launch with these files as they are."""
        plugins = [Path(file).resolve() for file in plugin_files]
        own = None if notebook is None else notebook.resolve()
        read = [file for file in (own, *plugins) if file is not None and file.is_file()]
        hashes = {str(file): file_sha256(file) for file in read}
        return cls(own, injected, plugins, hashes, processes)

    def keep(self, run: RunDirectory) -> None:
        """Writes it into the run's folder.

        Raises:
            MachineError: It cannot be written.
        """
        content = {
            "schema_version": SCHEMA_VERSION,
            "notebook": None if self.notebook is None else str(self.notebook),
            "injected": dict(self.injected),
            "plugin_files": [str(file) for file in self.plugin_files],
            "sha256": dict(self.hashes),
            "processes": self.processes,
        }
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_atomically(run.launch_file, text)

    @classmethod
    def of(cls, run: RunDirectory) -> Launched:
        """Returns what a run was launched with.

        Where a program has run the library that is nothing but the plugins in the run's folder. A
        plugin file that is gone is taken from there as well.

        Raises:
            ConfigError: The file is damaged or of a newer version, or what it names is gone.
        """
        if not run.launch_file.exists():
            return cls(plugin_files=tuple(sorted(run.plugins.glob("*.py"))))
        try:
            content = json.loads(run.launch_file.read_text(encoding="utf-8"))
            version = int(content["schema_version"])
            notebook = content["notebook"]
            launched = cls(
                None if notebook is None else Path(notebook),
                dict(content["injected"]),
                [_still_there(Path(file), run) for file in content["plugin_files"]],
                dict(content["sha256"]),
                int(content.get("processes", 1)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(_damaged(run, repr(error))) from error
        if version > SCHEMA_VERSION:
            raise ConfigError(_newer(run, version))
        missing = [file for file in launched._files if not file.is_file()]
        if missing:
            raise ConfigError(*(_gone(file) for file in missing))
        return launched

    @property
    def changed(self) -> list[str]:
        """Files that are no longer what they were."""
        files = [str(file) for file in self._files]
        return [f for f in files if f in self.hashes and file_sha256(Path(f)) != self.hashes[f]]

    @property
    def _files(self) -> list[Path]:
        own = [] if self.notebook is None else [self.notebook]
        return [*own, *self.plugin_files]


def _still_there(file: Path, run: RunDirectory) -> Path:
    kept = run.plugins / file.name
    return kept if kept.is_file() and not file.is_file() else file


def _damaged(run: RunDirectory, found: str) -> Problem:
    return Problem(
        "launch.unreadable",
        str(run.launch_file),
        "what the run was launched with, as tunebook wrote it",
        found,
        "delete the file to go on with the library alone, or run the case anew",
    )


def _newer(run: RunDirectory, version: int) -> Problem:
    expected = f"schema_version of at most {SCHEMA_VERSION}"
    fix = "update tunebook to go on with this run"
    return Problem("launch.newer", str(run.launch_file), expected, str(version), fix)


def _gone(file: Path) -> Problem:
    return Problem(
        "launch.file_gone",
        str(file),
        "a file that the run was launched with",
        "no such file",
        "put it back, or run the case anew",
    )
