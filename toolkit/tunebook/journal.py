"""The record and the events of a run in progress, from its first line to its last state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tunebook.config import CaseConfig
from tunebook.environment import kernel_kind, package_versions, peak_memory_mb
from tunebook.errors import TunebookError
from tunebook.events import (
    ControlAnswered,
    Event,
    EventLog,
    Listener,
    Noted,
    Resumed,
    RunEnded,
    StageStarted,
    read_events,
)
from tunebook.host import PluginHost, plugin_versions
from tunebook.records import RunDirectory, RunRecord, TaskRecord
from tunebook.resumption import earlier_record, taken_up
from tunebook.schema import plugin_configs
from tunebook.training import processes
from tunebook.training.checkpoints import Checkpoint

STEERED = ("time", "by", "action", "arguments", "stage", "step", "reason")
"""What the record keeps of a request that was done."""


@dataclass
class Journal:
    """What is told of one run, on disk and to whoever listens.

    Attributes:
        resumes: Whether the run was begun before, and goes on.
        seconds: By stage.
    """

    case: CaseConfig
    host: PluginHost
    directory: RunDirectory
    log: EventLog
    resumes: bool = False
    record: RunRecord = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = time.perf_counter()
        self.record = RunRecord(
            run_id=self.directory.run_id,
            case=self.case.name,
            strategy=self.case.strategy.kind,
            seed=self.case.seed,
            started=time.time(),
            versions=package_versions(),
            plugins=plugins_of(self.case, self.host),
            kernel=kernel_kind(),
        )

    def take_up(self, newest: Checkpoint | None) -> None:
        """Goes on with the record of the earlier attempts, and says from where."""
        earlier = earlier_record(self.directory, self.record)
        stage, step = (newest.training[1], newest.step) if newest else ("", 0)
        self.record = taken_up(self.directory, earlier, self.record, stage, step)
        self.seconds = {n: s for n, s in earlier.seconds.items() if n != "total"}
        position = newest.position if newest else 0
        self.log(Resumed(stage, step, position, self.record.resumed[-1].seconds))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage and tells of it."""
        self.log(StageStarted(name))
        started = time.perf_counter()
        yield
        took = time.perf_counter() - started
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)
        self.write(seconds=self._seconds())

    def write_tasks(self, found: Mapping[str, TaskRecord]) -> None:
        """Writes the record with data and results of the tasks."""
        self.record = self.record.with_tasks(found)
        self.write()

    def write(self, **changes: Any) -> None:
        """Writes the record with `changes`."""
        self.record = self.record.updated(**changes, peak_memory_mb=round(peak_memory_mb(), 1))
        self.directory.write_record(self.record)

    def note(self, text: str) -> None:
        """Tells of something in the events."""
        self.log(Noted(text))

    def warn(self, text: str) -> None:
        """Adds a warning to the record and the events, where it isn't there yet."""
        if text in self.record.warnings:
            return
        self.record = self.record.updated(warnings=(*self.record.warnings, text))
        self.log(Noted(text, "warning"))

    def notify(self, hook: str, **arguments: Any) -> None:
        """Calls observers; what they raise becomes a warning."""
        if not processes.is_first():
            return
        failures = self.host.notify(hook, **arguments)
        for failure in failures:
            self.warn(failure)
        if failures and self.record.status != "running":
            self.write()  # nobody will after that

    def watched(self) -> None:
        """Has observers told of events from now on."""
        if processes.is_first():
            for name, call in self.host.observers("tunebook_event").items():
                self.log.listen(self._listener(name, call))

    def _listener(self, name: str, call: Callable[..., Any]) -> Listener:
        def tell(event: Event) -> None:
            try:
                call(run=self.record, event=event)
            except Exception as error:
                self.log.drop(tell)  # first, for the warning is an event as well
                self.warn(f"observer `{name}` failed in tunebook_event: {error!r}")

        return tell

    def finish(self, status: str, error: TunebookError | None = None) -> None:
        """Writes the last state of the record."""
        self.write(
            status=status,
            finished=time.time(),
            seconds=self._seconds(),
            error=error.to_dict() if error else None,
            controls=self.steered(),
        )

    def steered(self) -> tuple[dict[str, Any], ...]:
        """Returns what was asked of the run and done."""
        events = read_events(self.directory.events_file)
        told = (e for e in events if e["type"] == ControlAnswered.type and e["accepted"])
        return tuple({key: event[key] for key in STEERED} for event in told)

    def fail(self, status: str, error: TunebookError) -> None:
        """Writes how the run ended before its end."""
        self.finish(status, error)
        self.log(RunEnded(status, error.problems[0].code))
        self.notify("tunebook_run_failed", run=self.record, record=self.record, error=error)

    def _seconds(self) -> dict[str, float]:
        before = self.record.resumed[-1].seconds if self.record.resumed else 0.0
        return self.seconds | {"total": round(before + time.perf_counter() - self._began, 3)}


def plugins_of(case: CaseConfig, host: PluginHost) -> dict[str, str]:
    """Returns the versions of the plugins of a case, by kind and name."""
    used: dict[str, list[str]] = {}
    for kind, config in plugin_configs(case):
        used.setdefault(kind, []).append(config.kind)
    return plugin_versions(host, used)
