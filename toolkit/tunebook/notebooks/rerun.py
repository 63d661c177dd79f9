"""Repeating a run from what its directory says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, Problem
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Limits, Plan, blank_record, launch
from tunebook.notebooks.launched import Launched
from tunebook.records import RunDirectory, RunRecord, TaskRecord
from tunebook.reproduction import (
    Difference,
    Reproduction,
    case_differences,
    compare_basis,
    compare_records,
)
from tunebook.schema import CaseSchema


@dataclass(frozen=True)
class Repeatable:
    """A run that succeeded, and all that it takes to repeat it.

    Attributes:
        host: The plugins of now, those of files that the run was launched with included.
    """

    run: RunDirectory
    record: RunRecord
    case: CaseConfig
    launched: Launched
    host: PluginHost

    @classmethod
    def of(cls, run: RunDirectory, host: PluginHost) -> Repeatable:
        """Returns what a run is repeated from.

        Raises:
            ConfigError: It has not succeeded; its record or case is damaged or of a newer tunebook;
                or a plugin or a file that it was launched with is gone.
        """
        record = run.read_record()
        if record.status != "succeeded":
            fix = "choose a run that `tunebook runs` lists as succeeded, or `tunebook resume` it"
            expected = "a run that has succeeded"
            raise ConfigError(
                Problem("rerun.not_succeeded", run.run_id, expected, record.status, fix)
            )
        launched = Launched.of(run)
        if launched.plugin_files:
            host = PluginHost(files=launched.plugin_files)
        return cls(run, record, CaseSchema(host).validate(run.read_case()), launched, host)

    def check(self) -> Reproduction:
        """Compares what the run was made of with what there is now; trains nothing.

        Raises:
            DataError: The data are gone, or can no longer be used.
        """
        differences, _, unknown = compare_basis(self.record, self._now())
        files = self._files(self.launched.changed)
        return Reproduction({}, (*files, *differences), (), unknown)

    def repeat(
        self, runs_dir: Path, limits: Limits, *, debug: bool = False
    ) -> tuple[RunDirectory, Reproduction | None]:
        """Runs the case again, in its notebook if it had one, into a new directory.

        Returns:
            The new run, and how it compares; None where it did not succeed.
        """
        launched = self.launched
        plan = Plan(self.case, launched.notebook, launched.injected, launched.processes)
        run, record = launch(
            plan,
            self.host,
            runs_dir,
            plugin_files=launched.plugin_files,
            limits=limits,
            debug=debug,
        )
        if record.status != "succeeded":
            return run, None
        found = compare_records(self.record, record)
        # a notebook reads its case anew, from a file that may have changed
        case = case_differences(self.run.read_case(), run.read_case())
        files = self._files(launched.changed)
        return run, replace(found, differences=(*case, *files, *found.differences))

    def _now(self) -> RunRecord:
        """Returns what a record would say before training."""
        from tunebook.environment import hardware, package_versions
        from tunebook.journal import plugins_of
        from tunebook.provenance import code_of
        from tunebook.subject import resolve_base
        from tunebook.subjects import load_datasets
        from tunebook.training.precision import choose_precision

        datasets = load_datasets(self.case, self.host)
        tasks = {name: TaskRecord(data=each.summary()) for name, each in datasets.items()}
        processes = {k: v for k, v in self.record.hardware.items() if k == "processes"}
        return (
            blank_record(self.run, self.case)
            .updated(
                versions=package_versions(),
                plugins=plugins_of(self.case, self.host),
                code=code_of(self.case, self.host),
                hardware=hardware() | processes,
                precision=vars(choose_precision(self.case.training.precision)),
                model={"sha256": resolve_base(self.case, self.host).sha256},
            )
            .with_tasks(tasks)
        )

    def _files(self, changed: list[str]) -> list[Difference]:
        """Returns the notebook and the plugin files that are no longer what they were."""
        then = self.launched.hashes
        now = Launched.now(self.launched.notebook, {}, self.launched.plugin_files).hashes
        return [Difference("code", file, then[file], now[file], "likely") for file in changed]
