"""Which folder a plan belongs to: a new one, its own from before, or one that it adds to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tunebook.batch.entry import Entry
from tunebook.batch.folder import (
    BatchFolder,
    BatchPlanFile,
    find_batch,
    find_batches,
    missing_from,
    with_added,
)
from tunebook.batch.lock import driving
from tunebook.batch.plan import BatchPlan, Expansion, expand_plan
from tunebook.batch.validation import Validated, validate_entries
from tunebook.batch.values import in_words
from tunebook.errors import ConfigError, MachineError, Problem
from tunebook.host import PluginHost
from tunebook.loose import LoosePlugin
from tunebook.records import BATCHES, write_problem
from tunebook.shipping import check_shippable, files_for, keep_sources, made_here


@dataclass(frozen=True)
class Prepared:
    """A plan that was checked, and where it goes. Nothing is written yet.

    Attributes:
        folder: Where the batch lies, or will.
        file: Its plan, with what is new at the end.
        added: How many entries of that are new; all of them in a new folder.
        existed: Whether the folder was there before.
        notes: What a person should know: duplicates, an earlier batch that this one adds to.
        made: Plugins of this session, whose source goes into the folder.
    """

    folder: BatchFolder
    file: BatchPlanFile
    validated: Validated
    added: int
    existed: bool
    notes: tuple[str, ...]
    made: Sequence[LoosePlugin] = ()


def prepare_batch(
    host: PluginHost,
    plan: BatchPlan,
    runs_dir: Path,
    *,
    extend: str | None = None,
    plugin_files: Iterable[Path] = (),
) -> Prepared:
    """Checks a whole plan and finds its folder below `runs_dir`.

    A plan that has all the runs of an earlier batch of its name, and more, adds to that one.

    Args:
        host: Plugins.
        plan: What to run.
        runs_dir: Where runs lie.
        extend: The batch to add to.
        plugin_files: Single-file plugins that runs load, beside those of the host.

    Raises:
        TunebookError: With everything that is wrong with the plan, or `extend` is of another one.
    """
    expansion = expand_plan(plan)
    validated = validate_entries(host, expansion.entries, with_notebook=plan.with_notebook)
    check_shippable(host)
    made = made_here(host)
    title = slug(plan.title)
    content = plan.model_dump(mode="json")
    fresh = BatchPlanFile(title, content, validated.entries)
    notes = _notes(expansion, validated)
    folder = _folder(runs_dir, fresh, expansion.entries, extend)
    if folder is None:
        folder = BatchFolder(runs_dir.resolve() / BATCHES / f"{title}-{fresh.id}")
        fresh = replace(fresh, plugin_files=_files(host, folder, plugin_files))
        return Prepared(folder, fresh, validated, len(fresh.entries), False, notes, made)
    before = folder.read_plan()
    known = {entry.key for entry in before.entries}
    again = {kept for left, kept in validated.same.items() if left in known}
    file, added = with_added(before, [e for e in fresh.entries if e.key not in again])
    if added and known:
        notes += (f"adds {added} to the {len(known)} runs of {folder.batch_id}",)
    file = replace(file, content=content, plugin_files=_files(host, folder, plugin_files))
    return Prepared(folder, file, validated, added, True, notes, made)


def write_batch(prepared: Prepared) -> None:
    """Makes the folder and writes the plan.

    Raises:
        ConfigError: Another process drives the batch.
        MachineError: The place cannot be written to.
    """
    try:
        prepared.folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(write_problem(prepared.folder.path, error)) from error
    with driving(prepared.folder):
        keep_sources(prepared.made, prepared.folder.plugins)
        prepared.folder.write_plan(prepared.file)


def _files(host: PluginHost, folder: BatchFolder, files: Iterable[Path]) -> tuple[str, ...]:
    return tuple(map(str, files_for(host, folder.plugins, files)))


def slug(name: str) -> str:
    """Returns a name that a folder can have; letters of any script stay."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "batch"


def _folder(
    runs_dir: Path, fresh: BatchPlanFile, wanted: Sequence[Entry], extend: str | None
) -> BatchFolder | None:
    """Returns the batch that a plan continues, None for a new one."""
    if extend is not None:
        folder = find_batch(runs_dir, extend)
        missing = missing_from(folder.read_plan(), wanted)
        if missing:
            raise ConfigError(_other_plan(folder, missing))
        return folder
    path = runs_dir.resolve() / BATCHES / f"{fresh.name}-{fresh.id}"
    if (path / "plan.json").exists():
        return BatchFolder(path)  # it may have grown since, which a smaller plan doesn't undo
    contained = []
    for folder in find_batches(runs_dir.resolve()):
        try:
            before = folder.read_plan()
        except ConfigError:  # damaged or newer, which is told when somebody asks for it
            continue
        if before.name == fresh.name and not missing_from(before, wanted):
            contained.append((len(before.entries), folder))
    return max(contained, key=lambda pair: pair[0])[1] if contained else None


def _notes(expansion: Expansion, validated: Validated) -> tuple[str, ...]:
    notes = []
    if expansion.duplicates:
        notes.append(f"{_runs(expansion.duplicates)} that came twice merged")
    if validated.same:
        left = next(iter(validated.same))
        first = next(e for e in expansion.entries if e.key == left)
        notes.append(
            f"{_runs(len(validated.same))} merged that come to the same as another, such as "
            f"{in_words(first.parameters)}"
        )
    return tuple(notes)


def _runs(count: int) -> str:
    return f"{count} run{'s' if count != 1 else ''}"


def _other_plan(folder: BatchFolder, missing: Sequence[Entry]) -> Problem:
    first = in_words(missing[0].parameters)
    found = f"one without {len(missing)} of them, such as {first}"
    fix = "leave out --extend to begin another batch, or add what is missing"
    expected = "a plan that has all its runs, and more"
    return Problem("batch.other_plan", str(folder.path), expected, found, fix)
