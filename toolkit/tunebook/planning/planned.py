"""Making the plan of a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.cache import file_sha256
from tunebook.config import CaseConfig
from tunebook.estimates import Prediction, Wanted, Work, measured_runs, predict
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Plan, make_plan
from tunebook.planning.identity import Identity
from tunebook.planning.steps import Step, steps_of
from tunebook.provenance import code_of

if TYPE_CHECKING:
    from tunebook.data.dataset import Dataset
    from tunebook.models.resolve import ResolvedModel


@dataclass(frozen=True)
class PlannedRun:
    """What a run would be.

    Attributes:
        data: By task, what is known of its rows.
        model: The pretrained model.
        legality: Of each task, what strategy, model and head it is that go together.
        steps: What would be done, in order.
        prediction: Time, memory and disk, from earlier runs.
        warnings: What a person should know before.
        identity: What it stands on, with its hash.
    """

    plan: Plan
    data: Mapping[str, Mapping[str, Any]]
    model: Mapping[str, Any]
    legality: Mapping[str, Any]
    steps: tuple[Step, ...]
    prediction: Prediction
    warnings: tuple[str, ...]
    identity: Identity

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON types."""
        notebook = self.plan.notebook
        return {
            "hash": self.identity.hash,
            "case": self.plan.case.to_json_dict(),
            "notebook": str(notebook) if notebook else None,
            "data": {name: dict(each) for name, each in self.data.items()},
            "model": dict(self.model),
            "legality": dict(self.legality),
            "steps": [step.to_dict() for step in self.steps],
            "prediction": self.prediction.to_dict(),
            "warnings": list(self.warnings),
            "versions": {"tunebook": self.identity.version, "code": dict(self.identity.code)},
        }


def plan_run(
    host: PluginHost,
    name: str,
    parameters: Mapping[str, Any],
    *,
    runs_dir: Path,
    with_notebook: bool = True,
) -> PlannedRun:
    """Returns what a run would be; the data are read, and nothing is written.

    Args:
        host: Plugins.
        name: A case, or the path of its file.
        parameters: Values by dotted path, and ``preset``.
        runs_dir: Where earlier runs lie, from which time, memory and disk are told.
        with_notebook: Whether it is to run in the case's notebook.

    Raises:
        ConfigError: The case, a parameter, or how strategy, task and model go together is wrong.
        DataError: The data can't be used.
        MachineError: A package, the network or the model is missing.
    """
    plan = make_plan(host, name, parameters, with_notebook=with_notebook)
    case = plan.case

    # what is heavy comes after the mistakes that can be told without it
    from tunebook.subject import resolve_base
    from tunebook.subjects import load_datasets, trained_elsewhere

    datasets = load_datasets(case, host)
    base = resolve_base(case, host)
    data = {task: _profile(dataset) for task, dataset in datasets.items()}
    rows = _rows(data)
    prediction = predict(measured_runs(runs_dir), Wanted.of(case, Work.of(case.training, rows)))
    model = {
        "source": base.source,
        "description": base.description,
        "architecture": base.architecture,
        "max_positions": base.max_positions,
        "sha256": base.sha256,
    }
    return PlannedRun(
        plan,
        data,
        model,
        _legality(case, base),
        steps_of(case, data, base.source),
        prediction,
        (
            *_data_warnings(data, trained_elsewhere(datasets)),
            *_case_warnings(case),
            *_room_warnings(prediction, runs_dir),
        ),
        _identity(plan, host, datasets),
    )


def identity_of(host: PluginHost, plan: Plan) -> Identity:
    """Returns what a run stands on now, to be compared with a hash; its data are read.

    Raises:
        TunebookError: As `plan_run` does.
    """
    from tunebook.subjects import load_datasets

    return _identity(plan, host, load_datasets(plan.case, host))


def _identity(plan: Plan, host: PluginHost, datasets: Mapping[str, Dataset]) -> Identity:
    prints = {name: dataset.fingerprint for name, dataset in datasets.items()}
    code = code_of(plan.case, host)
    return Identity(plan.case.to_json_dict(), prints, _notebook(plan), code)


def _notebook(plan: Plan) -> str:
    if plan.notebook is None:
        return ""
    known = {*CaseConfig.model_fields, "preset", "overrides"}
    own = {name: value for name, value in sorted(plan.injected.items()) if name not in known}
    return f"{file_sha256(plan.notebook)} {own}"


def _profile(dataset: Dataset) -> dict[str, Any]:
    """Returns what there is to know of the data of a task before anything is trained."""
    about = dataset.summary()
    found = dataset.provenance
    kept = ("source", "task", "loaded", "dropped", "groups", "augmentation")
    return {**about, **{key: found.get(key) for key in kept}, "class_counts": found.get("classes")}


def _rows(data: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Returns the rows of each split, of all tasks together."""
    splits = [each["splits"] for each in data.values()]
    return {name: sum(each[name] for each in splits) for name in splits[0]}


def _legality(case: CaseConfig, base: ResolvedModel) -> dict[str, Any]:
    """Returns what goes together; what doesn't has been refused before a row was read."""
    from tunebook.models.load import model_family
    from tunebook.tasks.build import head_form

    family = model_family(base.folder)
    tasks = {
        name: {"task": own.task.kind, "head": head_form(own.head, family, own.task.kind)}
        for name, own in case.by_task().items()
    }
    about = {"strategy": case.strategy.kind, "family": family, "architecture": base.architecture}
    return {"legal": True, **about, "tasks": tasks}


def _data_warnings(
    data: Mapping[str, Mapping[str, Any]], elsewhere: Mapping[str, int]
) -> Iterator[str]:
    for name, about in data.items():
        named = f"{name}: " if name else ""
        yield from (f"{named}{f['text']}" for f in about["findings"] if f["level"] == "warning")
    for name, texts in elsewhere.items():
        yield f"{texts} texts that task {name} is judged by are trained on in another task"


def _case_warnings(case: CaseConfig) -> Iterator[str]:
    points = case.evaluation.learning_curve
    if points:
        text = "the learning curve trains %d more models, whose time isn't in the prediction"
        yield text % len(points)
    if case.text.long_texts == "windows":
        yield "a long text is several inputs, so that there may be more steps than are told here"


def _room_warnings(prediction: Prediction, runs_dir: Path) -> Iterator[str]:
    import psutil

    place = runs_dir.absolute()
    there = next(each for each in (place, *place.parents) if each.exists())
    free = shutil.disk_usage(there).free / 2**20
    memory = psutil.virtual_memory().available / 2**20
    if prediction.disk_mb is not None and prediction.disk_mb > free:
        yield f"it may take {prediction.disk_mb:,.0f} MB of disk, and {free:,.0f} are free"
    if prediction.memory_mb is not None and prediction.memory_mb > memory:
        yield f"it may take {prediction.memory_mb:,.0f} MB of memory, and {memory:,.0f} are free"
