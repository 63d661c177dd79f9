"""The learning curve of a run: the same case again with fewer, or more, training records."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tunebook.config import CaseConfig
from tunebook.errors import ConfigError
from tunebook.events import Listener, StageStarted
from tunebook.host import PluginHost
from tunebook.progress import progress_listener
from tunebook.records import CurvePoint, RunDirectory
from tunebook.resumption import check_same_case, finished
from tunebook.runner import execute, write_pictures
from tunebook.runs import Run
from tunebook.schema import CaseSchema

CURVE = "curve"
"""Folder of a run in which the runs of its curve lie."""


def trace_learning_curve(
    run: Run, host: PluginHost | None = None, *, listeners: Iterable[Listener] | None = None
) -> Run:
    """Repeats a run at the training-set sizes of its case and adds the curve to its record.

    All points are scored on the same test rows. The size of the run itself is not repeated.
    The other runs are in ``curve/`` of its directory; a finished one isn't repeated, and one that
    was cut short is continued.

    Args:
        run: A run of a case with `evaluation.learning_curve`.
        host: Plugins; all installed ones when None.
        listeners: Called with every event; a progress display when None.

    Raises:
        TunebookError: A point went wrong; the run itself stays as it was.
    """
    host = host or PluginHost()
    directory = run.directory
    case = CaseSchema(host).validate(directory.read_case())
    shown = [progress_listener()] if listeners is None else [*listeners]
    points = []
    for size in case.evaluation.learning_curve:
        point = run
        if size != case.train_per_class:
            told = StageStarted("learning curve", f"{size or 'all'} per class")
            for listener in shown:
                listener(told)
            changed = case.updated(train_per_class=size)
            point = _point(directory.path / CURVE, size, changed, host, shown)
        points.append(_curve_point(size, point))
    if points:
        directory.write_record(run.record.updated(learning_curve=tuple(points)))
        write_pictures(Run(directory), only=["learning_curve"])
    return Run(directory)


def _point(
    folder: Path, size: int | None, case: CaseConfig, host: PluginHost, shown: Sequence[Listener]
) -> Run:
    """Returns the run of one size: one that is there already, gone on with if need be."""
    label = f"n{size or 'all'}"
    left = [RunDirectory(path) for path in sorted((folder / case.name).glob(f"*-{label}-*"))]
    same = [each for each in left if _is_of(each, case)]
    below = same[-1] if same else RunDirectory.create(folder, case.name, label)
    if not finished(below):
        execute(below, case, host, shown, resumes=bool(same), pictures=False)
    shutil.rmtree(below.model, ignore_errors=True)
    return Run(below)


def _is_of(directory: RunDirectory, case: CaseConfig) -> bool:
    try:
        check_same_case(directory, case)
    except ConfigError:
        return False
    return True


def _curve_point(size: int | None, run: Run) -> CurvePoint:
    report = run.report
    return CurvePoint(
        train_per_class=size,
        train_rows=int(run.record.data["splits"]["train"]),
        run_id=run.id,
        seconds=run.record.seconds["total"],
        scores=report.scores,
        baselines=report.baselines,
        comparisons=report.comparisons,
    )
