"""What a metric promises: the scores it declares, on any predictions, resample by resample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tunebook.testing.candidate import Candidate
from tunebook.testing.check import check, demand

if TYPE_CHECKING:
    import numpy as np

    from tunebook.contracts import Predictions

CLASSES = (2, 18)
ROWS = 90


def random_predictions(classes: int, seed: int = 0) -> Predictions:
    """Returns predictions of `ROWS` texts, every class among the targets."""
    import numpy as np

    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), ROWS)
    return _predictions(rng.permutation(np.arange(ROWS) % classes), probabilities)


def kinds_of_predictions() -> Iterator[tuple[str, Predictions]]:
    """Yields perfect, constant and random predictions, of two and of eighteen classes."""
    import numpy as np

    for classes in CLASSES:
        targets = np.arange(ROWS) % classes
        yield f"perfect, {classes} classes", _predictions(targets, np.eye(classes)[targets])
        flat = np.full((ROWS, classes), 1 / classes)
        yield f"constant, {classes} classes", _predictions(targets, flat)
        yield f"random, {classes} classes", random_predictions(classes)


def _predictions(targets: np.ndarray, probabilities: np.ndarray) -> Predictions:
    from tunebook.contracts import Predictions

    names = tuple(f"class {number}" for number in range(probabilities.shape[1]))
    return Predictions(targets, probabilities, names)


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
    metric, declared = candidate.create(), {*candidate.descriptor.scores}
    for _, predictions in kinds_of_predictions():
        computed = {*metric.compute(predictions).scores}
        resampled = {*metric.resample(predictions, _draws())}
        for names, method in ((computed, "compute"), (resampled, "resample")):
            demand(
                names == declared,
                f"{method} gives {sorted(names)}, declared are {sorted(declared)}",
                "name in `scores` what both give",
            )


@check("metric")
def scores_are_finite(candidate: Candidate) -> None:
    """Perfect, constant and random predictions of 2 and of 18 classes have finite scores."""
    import math

    metric = candidate.create()
    for name, predictions in kinds_of_predictions():
        scores = metric.compute(predictions).scores
        wrong = [score for score, value in scores.items() if not math.isfinite(value)]
        demand(not wrong, f"{name}: {', '.join(wrong)}", "say what a ratio without cases counts as")


@check("metric")
def identity_draw_gives_the_scores(candidate: Candidate) -> None:
    """The resample in which every row comes once has the scores of `compute`."""
    import numpy as np

    metric = candidate.create()
    for name, predictions in kinds_of_predictions():
        scores = metric.compute(predictions).scores
        samples = metric.resample(predictions, [np.arange(ROWS)])
        wrong = [s for s in {*scores} & {*samples} if not _same(samples[s][0], scores[s])]
        demand(not wrong, f"{name}: {', '.join(sorted(wrong))}", "compute both in the same way")


@check("metric")
def every_draw_gets_a_value(candidate: Candidate) -> None:
    """`resample` gives one value for each draw, whatever its length."""
    import numpy as np

    metric = candidate.create()
    for name, predictions in kinds_of_predictions():
        for score, values in metric.resample(predictions, _draws()).items():
            shape = np.shape(values)
            demand(shape == (3,), f"{name}: {score} of shape {shape} for 3 draws", "give (draws,)")


@check("metric")
def order_of_rows_does_not_matter(candidate: Candidate) -> None:
    """Rows in another order give the same scores."""
    import numpy as np

    metric = candidate.create()
    for classes in CLASSES:
        predictions = random_predictions(classes)
        order = np.random.default_rng(2).permutation(ROWS)
        turned = _predictions(predictions.targets[order], predictions.probabilities[order])
        scores, again = (metric.compute(each).scores for each in (predictions, turned))
        wrong = [s for s in {*scores} & {*again} if not _same(scores[s], again[s])]
        demand(not wrong, f"{classes} classes: {', '.join(sorted(wrong))}", "use all rows alike")


@check("metric")
def tables_fit_the_classes(candidate: Candidate) -> None:
    """Numbers by class name every class once, and a table has a row and a column for each."""
    import numpy as np

    metric = candidate.create()
    for classes in CLASSES:
        predictions = random_predictions(classes)
        result = metric.compute(predictions)
        for name, values in result.per_class.items():
            found = f"{name}: {len(values)} of {classes} classes"
            demand([*values] == [*predictions.classes], found, "keep the order of the classes")
        shape = np.shape(result.table) if result.table is not None else (classes, classes)
        demand(shape == (classes, classes), f"a table of shape {shape}", f"make it {classes}²")


@check("metric")
def predictions_are_left_as_they_were(candidate: Candidate) -> None:
    """Computing changes neither targets nor probabilities, which other metrics read next."""
    import numpy as np

    metric = candidate.create()
    for name, predictions in kinds_of_predictions():
        before = predictions.targets.copy(), predictions.probabilities.copy()
        metric.compute(predictions)
        metric.resample(predictions, _draws())
        after = predictions.targets, predictions.probabilities
        same = all(map(np.array_equal, before, after))
        demand(same, f"{name}: changed in place", "work on a copy")
