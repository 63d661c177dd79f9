"""The folder that a client may use: whatever names a place outside of it is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from tunebook.batch.plan import CASE_SUFFIXES
from tunebook.cases import CaseFile, find_case
from tunebook.errors import ConfigError, Problem, shorten
from tunebook.host import PluginHost
from tunebook.records import RunDirectory, RunRecord, find_run, find_runs

if TYPE_CHECKING:
    from tunebook.batch.folder import BatchFolder

FILES = (
    "record_file",
    "case_file",
    "events_file",
    "control_file",
    "launch_file",
    "log_file",
    "predictions",
    "report",
)
"""Files of a run that tools read or write."""


@dataclass(frozen=True)
class Workspace:
    """What a client works with.

    Attributes:
        root: The folder; links are followed before anything is compared with it.
        runs_dir: Where runs lie, inside it.
        read_only: Whether nothing may be started, changed or stopped.
        plugin_files: Single-file plugins, which only the person who starts the server names.
        closing: Set when the server ends, for those who wait.
    """

    root: Path
    runs_dir: Path
    read_only: bool = False
    plugin_files: Sequence[Path] = ()
    closing: Event = field(default_factory=Event)

    @classmethod
    def opened(
        cls,
        folder: Path,
        runs_dir: Path,
        *,
        read_only: bool = False,
        plugin_files: Sequence[Path] = (),
    ) -> Workspace:
        """Returns the workspace `folder`.

        Raises:
            ConfigError: There is no such folder, or `runs_dir` lies outside of it.
        """
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing"
            problem = ("mcp.no_workspace", str(folder), "a folder", found, "name one that is there")
            raise ConfigError(Problem(*problem))
        root = folder.resolve()
        place = (root / runs_dir).resolve()
        workspace = cls(root, place, read_only, tuple(file.resolve() for file in plugin_files))
        workspace.check_inside(place, "--runs-dir")
        return workspace

    def host(self) -> PluginHost:
        """Returns the plugins as they are now."""
        return PluginHost(files=self.plugin_files)

    def check_may_write(self, tool: str) -> None:
        """Raises:
        ConfigError: The server may only read.
        """
        if self.read_only:
            found, fix = "a server that was started with --read-only", "ask the person who runs it"
            raise ConfigError(Problem("mcp.read_only", tool, "a right to write", found, fix))

    def check_inside(self, place: Path, where: str) -> None:
        """Raises:
        ConfigError: `place` lies outside, be it by a link.
        """
        if not self._holds(place):
            raise ConfigError(self._outside(where, str(place)))

    def run(self, name: str) -> RunDirectory:
        """Returns the run that a client means: an id, its beginning, or ``last``.

        Raises:
            ConfigError: There is no such run, or a part of it lies outside.
        """
        run = find_run(self.runs_dir, self._id(name, "run"))
        self._check_run(run)
        return run

    def records(self) -> Iterator[tuple[RunDirectory, RunRecord | ConfigError]]:
        """Yields each run with its record, or with the error that keeps it from being read, such as
        a part of it that lies outside."""
        for run in find_runs(self.runs_dir):
            try:
                self._check_run(run)
                yield run, run.read_record()
            except ConfigError as error:
                yield run, error

    def batch(self, name: str) -> BatchFolder:
        """Returns the batch that a client means.

        Raises:
            ConfigError: There is no such batch, or a part of it lies outside.
        """
        from tunebook.batch.folder import find_batch

        folder = find_batch(self.runs_dir, self._id(name, "batch"))
        self.check_batch(folder)
        return folder

    def check_batch(self, folder: BatchFolder) -> None:
        """Raises:
        ConfigError: A part of a batch lies outside.
        """
        for place in (folder.path, folder.plan_file, folder.log_file, folder.driver_file):
            self.check_inside(place, f"batch {shorten(folder.batch_id, 60)}")
        for run in folder.runs.glob("*"):
            self._check_run(RunDirectory(run))

    def case(self, name: str, host: PluginHost, parameters: Mapping[str, Any]) -> str:
        """Returns the name or the path of a case, with all places that it and `parameters` name
        checked. An installed case is trusted, a file in the workspace isn't.

        Raises:
            ConfigError: There is no such case, or something lies outside; with every such value.
        """
        problems = [*self.escapes(parameters, "parameters")]
        if name not in host.names("case") and Path(name).suffix in CASE_SUFFIXES:
            place = self.root / Path(name)
            self.check_inside(place, "case")
            name = str(place)
            problems += self._file_escapes(find_case(host, name))
        if problems:
            raise ConfigError(*problems)
        return name

    def escapes(self, content: Any, where: str) -> Iterator[Problem]:
        """Yields a problem for each text in `content` that leads out, read as a path.

        A key may be called anything in a plugin, so that every text is looked at. Runs work in
        `root`, so that a relative path begins there, whichever file it stands in.
        """
        if isinstance(content, str):
            if leads_out(content, self.root, self.root):
                yield self._outside(where, content)
        elif isinstance(content, Mapping):
            for key, value in content.items():
                yield from self.escapes(value, f"{where}.{key}")
        elif isinstance(content, list | tuple):
            for number, value in enumerate(content):
                yield from self.escapes(value, f"{where}.{number}")

    def relative(self, place: Path) -> str:
        """Returns a path as a client may name it."""
        return str(place.relative_to(self.root)) if place.is_relative_to(self.root) else str(place)

    def _check_run(self, run: RunDirectory) -> None:
        tasks = map(RunDirectory, run.path.glob("tasks/*"))
        files = (getattr(each, file) for each in (run, *tasks) for file in FILES)
        for place in (run.path, *files):
            self.check_inside(place, f"run {run.run_id}")

    def _file_escapes(self, file: CaseFile) -> Iterator[Problem]:
        for name in ("case", "strategies", "presets"):
            yield from self.escapes(getattr(file, name), self.relative(file.path))
        if file.notebook is not None and not self._holds(file.notebook):
            yield self._outside(f"{self.relative(file.path)}.notebook", str(file.notebook))

    def _id(self, name: str, kind: str) -> str:
        """Returns an id; a path is none, since a folder has an id in here."""
        if not name.strip() or "/" in name or "\\" in name or name in (".", "..") or "\0" in name:
            found, fix = shorten(name, 60), f"call `list` with kind `{kind}s` for ids"
            raise ConfigError(Problem(f"{kind}.unknown", kind, f"the id of a {kind}", found, fix))
        return name

    def _holds(self, place: Path) -> bool:
        try:
            return place.resolve().is_relative_to(self.root)
        except (
            OSError,
            ValueError,
            RuntimeError,
        ):  # too long, with a zero in it, links in a circle
            return False

    def _outside(self, where: str, found: str) -> Problem:
        fix = "name a place inside, relative to the workspace"
        expected = f"a place in the workspace {self.root}"
        return Problem("mcp.outside_workspace", where, expected, shorten(found), fix)


def leads_out(text: str, folder: Path, root: Path) -> bool:
    """Whether a text, read as a path in `folder`, is one outside of `root`."""
    try:
        place = folder / Path(text.removeprefix("file:")).expanduser()
        return not place.resolve().is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # no text that anything could open
        return False
