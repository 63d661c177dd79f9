"""What a run does, in order, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunebook.config import CaseConfig
from tunebook.estimates import Work


@dataclass(frozen=True)
class Step:
    """A part of a run.

    Attributes:
        stage: As events and the record call it.
        what: In a few words.
        numbers: What can be counted beforehand.
    """

    stage: str
    what: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"stage": self.stage, "what": self.what, **self.numbers}


def steps_of(
    case: CaseConfig, data: Mapping[str, Mapping[str, Any]], model: str
) -> tuple[Step, ...]:
    """Returns the steps of a run.

    Args:
        case: What is run.
        data: By task, the summary of its data.
        model: What the pretrained model is called.
    """
    return (*_steps(case, data, model),)


def _steps(case: CaseConfig, data: Mapping[str, Mapping[str, Any]], model: str) -> Iterator[Step]:
    rows = {
        name: sum(each["splits"][name] for each in data.values())
        for name in ("train", "validation", "test")
    }
    yield Step("data", " and ".join(each["title"] for each in data.values()), {"rows": rows})
    yield Step("model", model)
    if case.pretraining is not None:
        about = case.pretraining
        yield Step("pretraining", f"{about.objective}, {about.method}", {"epochs": about.epochs})
    yield Step("strategy", case.strategy.kind)
    yield _training(case, rows)
    scored = ", ".join(metric.kind for metric in case.metrics)
    baselines = [*case.evaluation.baselines]
    numbers = {
        "rows": rows[case.evaluation.split],
        "resamples": case.evaluation.bootstrap.resamples,
    }
    yield Step("evaluation", scored, {**numbers, "baselines": baselines})
    yield Step("saving", "what was trained")
    yield Step("report", "pictures and report.html")
    points = [*case.evaluation.learning_curve]
    if points:
        yield Step("curve", "a training for each size", {"train_per_class": points})


def _training(case: CaseConfig, rows: Mapping[str, int]) -> Step:
    config, work = case.training, Work.of(case.training, rows)
    numbers = {
        "steps": work.steps,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "gradient_accumulation": config.gradient_accumulation,
        "evaluations": config.evaluations if work.steps else 0,
        "examples": work.examples,
    }
    stops = ", or fewer with early stopping" if config.early_stopping else ""
    return Step("training", f"{work.steps:,} steps of {config.batch_size} texts{stops}", numbers)
