"""What a metric promises: the scores it declares, for its kinds of task, resample by resample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunebook.errors import did_you_mean
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import check, demand

if TYPE_CHECKING:
    import numpy as np

    from tunebook.contracts import Predictions

CLASSES = (2, 18)
ROWS = 90


@dataclass(frozen=True)
class Sample:
    """Predictions of a kind of task, and what they are like.

    Attributes:
        name: For messages.
        task: Kind of the task.
        predictions: As metrics get them.
        typical: Whether they are neither perfect nor all alike.
    """

    name: str
    task: str
    predictions: Any
    typical: bool


def samples(tasks: Iterable[str]) -> Iterator[Sample]:
    """Yields perfect, constant and random predictions of each kind of task."""
    for task in (each for each in tasks if each in MAKERS):
        for name, predictions, typical in MAKERS[task]():
            yield Sample(f"{task}, {name}", task, predictions, typical)


def random_predictions(classes: int, seed: int = 0) -> Predictions:
    """Returns predictions of `ROWS` texts, every class among the targets."""
    import numpy as np

    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), ROWS)
    return _predictions(rng.permutation(np.arange(ROWS) % classes), probabilities)


def _single() -> Iterator[tuple[str, Any, bool]]:
    """Yields predictions of one class a text, of two and of eighteen classes."""
    import numpy as np

    for classes in CLASSES:
        targets = np.arange(ROWS) % classes
        yield f"perfect, {classes} classes", _predictions(targets, np.eye(classes)[targets]), False
        flat = np.full((ROWS, classes), 1 / classes)
        yield f"constant, {classes} classes", _predictions(targets, flat), False
        yield f"random, {classes} classes", random_predictions(classes), True


def _sets() -> Iterator[tuple[str, Any, bool]]:
    """Yields predictions of any number of classes a text, each with texts on both sides."""
    import numpy as np

    from tunebook.contracts import MultiLabelPredictions

    for classes in CLASSES:
        rng = np.random.default_rng(classes)
        targets = (rng.random((ROWS, classes)) < 0.3).astype(np.int64)
        targets[:2] = [[0] * classes, [1] * classes]
        shares = {
            "perfect": targets.astype(float),
            "constant": np.full(targets.shape, 0.2),
            "random": rng.random(targets.shape),
        }
        for name, values in shares.items():
            made = MultiLabelPredictions(targets, values, _names(classes))
            yield f"{name}, {classes} classes", made, name == "random"


def _numbers() -> Iterator[tuple[str, Any, bool]]:
    """Yields predictions of numbers, small ones and such that lie far from zero."""
    import numpy as np

    from tunebook.contracts import RegressionPredictions

    rng = np.random.default_rng(3)
    for offset in (0.0, 1e6):
        targets = offset + rng.normal(size=ROWS)
        values = {
            "perfect": targets.copy(),
            "constant": np.full(ROWS, targets.mean()),
            "random": targets + rng.normal(size=ROWS),
        }
        for name, predicted in values.items():
            made = RegressionPredictions(targets, predicted)
            yield f"{name}, around {offset:g}", made, name == "random"


MAKERS: Mapping[str, Callable[[], Iterator[tuple[str, Any, bool]]]] = {
    "text_classification": _single,
    "multi_label": _sets,
    "regression": _numbers,
}
"""By kind of task, what makes its predictions; each is tried on the metrics that are for it."""


def _predictions(targets: np.ndarray, probabilities: np.ndarray) -> Predictions:
    from tunebook.contracts import Predictions

    return Predictions(targets, probabilities, _names(probabilities.shape[1]))


def _names(classes: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(classes))


def _same(one: object, other: object) -> bool:
    """Whether two numbers agree; whether they are finite is another check's business."""
    import numpy as np

    return bool(np.isclose(one, other, equal_nan=True))


def _draws() -> Sequence[np.ndarray]:
    """Returns row numbers of resamples that differ in length."""
    import numpy as np

    rng = np.random.default_rng(1)
    return [rng.integers(0, ROWS, size) for size in (ROWS, ROWS, ROWS // 2)]


@check("metric")
def scores_are_those_declared(candidate: Candidate) -> None:
    """`compute` and `resample` give the scores that the descriptor names, and no others."""
    metric = candidate.create()
    for sample in samples(candidate.descriptor.tasks):
        declared = {*candidate.descriptor.scores_of(sample.task)}
        computed = {*metric.compute(sample.predictions).scores}
        resampled = {*metric.resample(sample.predictions, _draws())}
        for names, method in ((computed, "compute"), (resampled, "resample")):
            demand(
                names == declared,
                f"{sample.name}: {method} gives {sorted(names)}, declared are {sorted(declared)}",
                "name in `scores` what both give",
            )


@check("metric")
def scores_are_finite(candidate: Candidate) -> None:
    """Perfect, constant and random predictions of each kind of task have finite scores."""
    import math

    metric = candidate.create()
    for sample in samples(candidate.descriptor.tasks):
        name, predictions = sample.name, sample.predictions
        scores = metric.compute(predictions).scores
        wrong = [score for score, value in scores.items() if not math.isfinite(value)]
        demand(not wrong, f"{name}: {', '.join(wrong)}", "say what a ratio without cases counts as")


@check("metric")
def identity_draw_gives_the_scores(candidate: Candidate) -> None:
    """The resample in which every row comes once has the scores of `compute`."""
    import numpy as np

    metric = candidate.create()
    for sample in samples(candidate.descriptor.tasks):
        name, predictions = sample.name, sample.predictions
        scores = metric.compute(predictions).scores
        drawn = metric.resample(predictions, [np.arange(ROWS)])
        wrong = [s for s in {*scores} & {*drawn} if not _same(drawn[s][0], scores[s])]
        demand(not wrong, f"{name}: {', '.join(sorted(wrong))}", "compute both in the same way")


@check("metric")
def every_draw_gets_a_value(candidate: Candidate) -> None:
    """`resample` gives one value for each draw, whatever its length."""
    import numpy as np

    metric = candidate.create()
    for sample in samples(candidate.descriptor.tasks):
        name, predictions = sample.name, sample.predictions
        for score, values in metric.resample(predictions, _draws()).items():
            shape = np.shape(values)
            demand(shape == (3,), f"{name}: {score} of shape {shape} for 3 draws", "give (draws,)")


@check("metric")
def order_of_rows_does_not_matter(candidate: Candidate) -> None:
    """Rows in another order give the same scores."""
    import numpy as np

    metric = candidate.create()
    order = np.random.default_rng(2).permutation(ROWS)
    for sample in samples(candidate.descriptor.tasks):
        predictions = sample.predictions
        turned = replace(predictions, targets=predictions.targets[order])
        turned = turned.by(predictions.outputs[order])
        scores, again = (metric.compute(each).scores for each in (predictions, turned))
        wrong = [s for s in {*scores} & {*again} if not _same(scores[s], again[s])]
        demand(not wrong, f"{sample.name}: {', '.join(sorted(wrong))}", "use all rows alike")


@check("metric")
def tables_fit_the_classes(candidate: Candidate) -> None:
    """Numbers by class name every class once, and a table has a row and a column for each."""
    import numpy as np

    metric = candidate.create()
    typical = (each for each in samples(candidate.descriptor.tasks) if each.typical)
    for predictions in (each.predictions for each in typical):
        result, classes = metric.compute(predictions), len(predictions.classes)
        for name, values in result.per_class.items():
            found = f"{name}: {len(values)} of {classes} classes"
            demand([*values] == [*predictions.classes], found, "keep the order of the classes")
        shape = np.shape(result.table) if result.table is not None else (classes, classes)
        demand(shape == (classes, classes), f"a table of shape {shape}", f"make it {classes}²")


@check("metric")
def predictions_are_left_as_they_were(candidate: Candidate) -> None:
    """Computing changes neither targets nor outputs, which other metrics read next."""
    import numpy as np

    metric = candidate.create()
    for sample in samples(candidate.descriptor.tasks):
        name, predictions = sample.name, sample.predictions
        before = predictions.targets.copy(), predictions.outputs.copy()
        metric.compute(predictions)
        metric.resample(predictions, _draws())
        after = predictions.targets, predictions.outputs
        same = all(map(np.array_equal, before, after))
        demand(same, f"{name}: changed in place", "work on a copy")


@check("metric", builds=False)
def tasks_are_known(candidate: Candidate) -> None:
    """It names kinds of task that there are; what it says of scores is about these kinds only."""
    from tunebook.specs import TASKS

    metric = candidate.descriptor
    unknown = sorted({*metric.tasks} - {*TASKS})
    found = f"tasks: {', '.join(unknown) or 'none'}"
    demand(metric.tasks and not unknown, found, did_you_mean("".join(unknown[:1]), [*TASKS]))
    scores = {score for task in metric.tasks for score in metric.scores_of(task)}
    strange = sorted(
        {*metric.scores_by_task} - {*metric.tasks} | {*metric.lower_is_better} - scores
    )
    demand(not strange, f"not among its tasks and scores: {', '.join(strange)}", "drop them")
