"""`find_learning_rate`: which peak rate a case can bear, from a range test on its own data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.figure import Figure

from tunebook.config import ALONE, CaseConfig
from tunebook.contracts import Prepared
from tunebook.errors import ConfigError, Problem
from tunebook.evaluation.canvas import to_png
from tunebook.evaluation.rate_figure import rate_curve
from tunebook.events import EventLog
from tunebook.host import PluginHost
from tunebook.subject import Subject, seed_everything
from tunebook.subjects import Subjects, load_datasets
from tunebook.training.loop import TrainingJob, joint_job
from tunebook.training.precision import choose_precision
from tunebook.training.rate_finder import RateFinderResult, sweep_rates


@dataclass(frozen=True)
class FoundRate(RateFinderResult):
    """The curve of a range test with its picture, which a notebook shows where it stands last."""

    def figure(self) -> Figure:
        """Returns the loss over the rate, with what is suggested."""
        return rate_curve(self.to_dict())

    def _repr_png_(self) -> bytes:
        return to_png(self.figure())


def find_learning_rate(
    case: CaseConfig,
    host: PluginHost | None = None,
    *,
    steps: int = 100,
    low: float = 1e-7,
    high: float = 1.0,
) -> FoundRate:
    """Trains for some steps while the learning rate rises, and suggests a rate from the losses.

    Only the training split is used. The head and each layer keep the ratio that their own rate has
    to the case's learning rate. A case with `pretraining` is pretrained first, which
    may take far longer than the test. Smith 2015, arXiv:1506.01186.

    Args:
        case: A validated case.
        host: Plugins; all installed ones when None.
        steps: Optimiser steps, at least 10.
        low: First rate.
        high: Last rate, above `low`.

    Returns:
        The curve and what it suggests; a notebook shows its picture.

    Raises:
        ConfigError: The range or the case cannot be used.
        DataError: The data cannot be used.
    """
    problems = _problems(steps, low, high)
    if problems:
        raise ConfigError(*problems)
    host = host or PluginHost()
    seed_everything(case.seed)
    precision = choose_precision(case.training.precision)
    subjects = Subjects.build(case, host, load_datasets(case, host), precision)
    with TemporaryDirectory() as folder:
        if case.pretraining is not None:
            subjects.pretrain(Path(folder), EventLog(None))
        prepared = subjects.prepare()
        jobs = {
            name: _job(subject, subjects.of_task(name, prepared), Path(folder))
            for name, subject in subjects.items()
        }
        alone = jobs.get(ALONE)
        job = alone or joint_job(jobs, prepared, case.sampling.temperature)
        found = sweep_rates(job, steps=steps, low=low, high=high)
        return FoundRate(**vars(found))


def _job(subject: Subject, prepared: Prepared, folder: Path) -> TrainingJob:
    case = subject.case
    inputs = subject.inputs("train", prepared)
    return TrainingJob(
        prepared=prepared,
        train=inputs,
        validation=inputs,
        score=_no_scores,
        primary=case.evaluation.primary,
        config=case.training,
        precision=subject.precision,
        seed=case.seed,
        folder=folder,
        loss=subject.dataset.form.loss(case.training, subject.dataset.targets("train")),
    )


def _no_scores(logits: np.ndarray) -> dict[str, float]:  # noqa: ARG001 - nothing is evaluated
    return {}


def _problems(steps: int, low: float, high: float) -> list[Problem]:
    checks = {
        "steps": (steps >= 10, "10 or more", steps),
        "low": (low > 0, "a rate above 0", low),
        "high": (high > low, f"a rate above low={low:g}", high),
    }
    return [
        Problem("rates.range", name, expected, str(found), f"change `{name}`")
        for name, (right, expected, found) in checks.items()
        if not right
    ]
