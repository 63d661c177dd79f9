"""Metrics of sets and of numbers say what scikit-learn and scipy say, resample by resample."""

import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from tunebook.contracts import MultiLabelPredictions, RegressionPredictions
from tunebook.host import PluginHost

HOST = PluginHost()
f1, precision = partial(sk.f1_score, zero_division=0), partial(sk.precision_score, zero_division=0)
DECISIONS = {
    "subset_accuracy": sk.accuracy_score,
    "hamming_loss": sk.hamming_loss,
    "macro_f1": partial(f1, average="macro"),
    "micro_f1": partial(f1, average="micro"),
    "weighted_f1": partial(f1, average="weighted"),
    "macro_precision": partial(precision, average="macro"),
    "macro_recall": partial(sk.recall_score, average="macro"),
}
RANKINGS = {
    "average_precision": partial(sk.average_precision_score, average="macro"),
    "roc_auc": partial(sk.roc_auc_score, average="macro"),
}
SETS = DECISIONS | RANKINGS
NUMBERS = {
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "pearson": lambda y, p: stats.pearsonr(y, p).statistic,
    "spearman": lambda y, p: stats.spearmanr(y, p).statistic,
}


def metric(name):
    return HOST.create("metric", HOST.get("metric", name).config())


def scores_for(task):
    """Returns, by score, the metric that gives it for a kind of task."""
    metrics = [each for each in HOST.descriptors("metric") if task in each.tasks]
    return {score: each.name for each in metrics for score in each.scores_of(task)}


def sets(n=150, k=5, seed=0, decimals=2):
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, k)) < 0.3).astype(int)
    shares = np.clip(0.4 * rng.random((n, k)) + 0.4 * targets, 0, 1).round(decimals)
    return MultiLabelPredictions(targets, shares, tuple(f"class {i}" for i in range(k)))


def numbers(n=150, seed=0, offset=0.0, decimals=1):
    rng = np.random.default_rng(seed)
    targets = offset + rng.normal(size=n).round(decimals)
    return RegressionPredictions(targets, (targets + rng.normal(size=n)).round(decimals))


def draws_of(predictions, number=20, seed=1):
    rng = np.random.default_rng(seed)
    n = len(predictions.targets)
    return [np.arange(n), *(rng.integers(0, n, n) for _ in range(number))]


def test_these_are_all_there_are():
    assert {*scores_for("multi_label")} == {*SETS}
    assert {*scores_for("regression")} == {*NUMBERS}


@pytest.mark.parametrize("score", SETS)
def test_scores_of_sets_agree_with_scikit_learn(score):
    predictions = sets()
    draws = draws_of(predictions)
    found = metric(scores_for("multi_label")[score])
    sampled = found.resample(predictions, draws)[score]
    y = predictions.targets
    told = predictions.predicted if score in DECISIONS else predictions.probabilities
    expected = [SETS[score](y[draw], told[draw]) for draw in draws]
    assert sampled == pytest.approx(expected)
    assert found.compute(predictions).scores[score] == pytest.approx(expected[0])


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("score", NUMBERS)
def test_scores_of_numbers_agree_with_scipy(score, offset):
    predictions = numbers(offset=offset)
    draws = draws_of(predictions)
    sampled = metric(score).resample(predictions, draws)[score]
    y, p = predictions.targets, predictions.predicted
    expected = [NUMBERS[score](y[draw], p[draw]) for draw in draws]
    assert sampled == pytest.approx(expected, rel=1e-6)
    assert metric(score).compute(predictions).scores[score] == pytest.approx(expected[0], rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=12))
def test_any_numbers_agree_with_scipy_where_they_can(rows):
    y, p = np.array(rows, dtype=float).T
    predictions = RegressionPredictions(y, p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for score, reference in NUMBERS.items():
            found = metric(score).compute(predictions).scores[score]
            if len({*y}) == 1 and score in ("r2", "pearson", "spearman"):
                assert np.isnan(found)
            elif len({*p}) == 1 and score in ("pearson", "spearman"):
                assert found == 0
            else:
                assert found == pytest.approx(reference(y, p), abs=1e-9)


def test_a_baseline_that_always_says_the_mean_explains_nothing():
    y = numbers(offset=1e6).targets
    constant = RegressionPredictions(y, np.full(len(y), y.mean()))
    found = {name: metric(name).compute(constant).scores[name] for name in NUMBERS}
    assert found["r2"] == pytest.approx(0, abs=1e-9)
    assert found["pearson"] == found["spearman"] == 0


def test_a_class_without_texts_is_left_out_of_the_average():
    predictions = sets()
    without = predictions.targets.copy()
    without[:, 0] = 0
    fewer = MultiLabelPredictions(without, predictions.probabilities, predictions.classes)
    found = metric("average_precision").compute(fewer)
    rest = [found.per_class["average_precision"][name] for name in fewer.classes[1:]]
    assert np.isnan(found.per_class["average_precision"][fewer.classes[0]])
    assert found.scores["average_precision"] == pytest.approx(np.mean(rest))
