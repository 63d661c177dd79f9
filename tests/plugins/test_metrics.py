"""The classification metrics say what scikit-learn says, resample by resample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tunebook.contracts import Metric, Predictions
from tunebook.host import PluginHost
from tunebook_plugins.metrics.classification.impl import F1, Accuracy, ConfusionMatrix, RocAuc

SCORES = {
    "accuracy": ("accuracy",),
    "confusion_matrix": (),
    "f1": ("macro_f1", "weighted_f1", "macro_precision", "macro_recall"),
    "roc_auc": ("roc_auc",),
}
SKLEARN = {
    "macro_f1": lambda y, p, **k: sk.f1_score(y, p, average="macro", zero_division=0, **k),
    "weighted_f1": lambda y, p, **k: sk.f1_score(y, p, average="weighted", zero_division=0, **k),
    "macro_precision": lambda y, p, **k: sk.precision_score(
        y, p, average="macro", zero_division=0, **k
    ),
    "macro_recall": lambda y, p, **k: sk.recall_score(y, p, average="macro", zero_division=0, **k),
}


def made(n=200, k=4, seed=0, decimals=None):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(k), n)
    if decimals is not None:
        probabilities = probabilities.round(decimals)
    targets = rng.integers(0, k, n)
    probabilities[np.arange(n), targets] += 0.3
    return Predictions(targets, probabilities, tuple(f"class {i}" for i in range(k)))


def draws_of(predictions, number=30, seed=1):
    rng = np.random.default_rng(seed)
    n = len(predictions.targets)
    return [rng.integers(0, n, n) for _ in range(number)]


def sklearn_auc(y, probabilities):
    """Macro one-vs-rest over the classes that can be ranked, as the metric promises."""
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    areas = [
        sk.roc_auc_score(y == c, probabilities[:, c])
        for c in columns
        if 0 < (y == c).sum() < len(y)
    ]
    return np.mean(areas) if areas else np.nan


def test_the_host_offers_the_four_metrics_with_their_scores():
    host = PluginHost()
    offered = {name: host.get("metric", name) for name in host.names("metric")}
    ours = {n: d.scores for n, d in offered.items() if "metrics.classification" in d.factory}
    assert ours == SCORES
    for name, scores in SCORES.items():
        metric = host.create("metric", offered[name].config())
        assert isinstance(metric, Metric)
        assert tuple(metric.compute(made()).scores) == scores
        assert tuple(metric.resample(made(), draws_of(made()))) == scores


@pytest.mark.parametrize("k", [2, 4, 18])
def test_all_rows_agree_with_sklearn(k):
    predictions = made(n=400, k=k)
    y, p = predictions.targets, predictions.predicted
    scores = F1().compute(predictions).scores
    assert len(scores) == 4
    for name, reference in SKLEARN.items():
        assert scores[name] == pytest.approx(reference(y, p))
    assert Accuracy().compute(predictions).scores["accuracy"] == sk.accuracy_score(y, p)
    shares = predictions.probabilities / predictions.probabilities.sum(axis=1, keepdims=True)
    expected = (
        sk.roc_auc_score(y, shares[:, 1])
        if k == 2
        else sk.roc_auc_score(y, shares, multi_class="ovr", average="macro")
    )
    found = RocAuc().compute(Predictions(y, shares, predictions.classes)).scores["roc_auc"]
    assert found == pytest.approx(expected)


def test_per_class_numbers_and_the_table_agree_with_sklearn():
    predictions = made()
    y, p = predictions.targets, predictions.predicted
    by_class = F1().compute(predictions).per_class
    precision, recall, f1, _ = sk.precision_recall_fscore_support(y, p, zero_division=0)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert list(by_class[name]) == list(predictions.classes)
        assert list(by_class[name].values()) == pytest.approx(list(expected))
    assert ConfusionMatrix().compute(predictions).table == sk.confusion_matrix(y, p).tolist()


def test_every_resample_agrees_with_sklearn():
    predictions = made(n=60, k=5)
    draws = draws_of(predictions)
    y, p = predictions.targets, predictions.predicted
    f1, accuracy = F1().resample(predictions, draws), Accuracy().resample(predictions, draws)
    areas = RocAuc().resample(predictions, draws)["roc_auc"]
    for i, draw in enumerate(draws):
        lost = np.setdiff1d(np.unique(y), y[draw])
        labels = np.setdiff1d(np.unique([*y[draw], *p[draw]]), lost)
        for name, reference in SKLEARN.items():
            assert f1[name][i] == pytest.approx(reference(y[draw], p[draw], labels=labels))
        assert accuracy["accuracy"][i] == sk.accuracy_score(y[draw], p[draw])
        assert areas[i] == pytest.approx(sklearn_auc(y[draw], predictions.probabilities[draw]))


def test_a_class_that_a_resample_lost_is_left_out_but_one_that_never_was_counts_zero():
    probabilities = np.eye(3)[[0, 1, 1, 2]]
    predictions = Predictions(np.array([0, 1, 1, 1]), probabilities, ("a", "b", "c"))
    without_a, without_c = [np.array([1, 2, 3]), np.array([0, 1, 2])]
    recall = F1().resample(predictions, [without_a, without_c])["macro_recall"]
    # b has 2 of 3 right and c, never a target, was predicted: (2/3 + 0) / 2; then a and b are right
    assert recall == pytest.approx([1 / 3, 1.0])


def test_the_identity_draw_gives_what_compute_gives():
    predictions = made(n=50, k=6)
    everything = [np.arange(50)]
    metrics = (Accuracy(), F1(), RocAuc())
    for metric in metrics:
        scores = metric.compute(predictions).scores
        samples = metric.resample(predictions, everything)
        assert {n: s[0] for n, s in samples.items()} == pytest.approx(scores)


def test_ties_count_half():
    constant = Predictions(np.array([0, 1, 1, 2]), np.full((4, 3), 1 / 3), ("a", "b", "c"))
    assert RocAuc().compute(constant).scores["roc_auc"] == 0.5
    rounded = made(n=300, k=3, decimals=1)
    assert len(np.unique(rounded.probabilities)) < 30
    found = RocAuc().compute(rounded).scores["roc_auc"]
    assert found == pytest.approx(sklearn_auc(rounded.targets, rounded.probabilities))


def test_one_row_is_scored_and_its_area_is_undefined():
    one = Predictions(np.array([1]), np.array([[0.2, 0.8, 0.0]]), ("a", "b", "c"))
    assert Accuracy().compute(one).scores == {"accuracy": 1.0}
    assert F1().compute(one).scores["macro_f1"] == 1.0
    assert np.isnan(RocAuc().compute(one).scores["roc_auc"])


def test_draws_may_differ_in_length():
    predictions = made()
    draws = [np.array([0, 1, 2]), np.arange(200), np.repeat(np.arange(150), 3)]
    for metric in (Accuracy(), F1(), RocAuc()):
        for samples in metric.resample(predictions, draws).values():
            assert samples.shape == (3,)
            assert np.isfinite(samples).all()


@settings(max_examples=60, deadline=None)
@given(
    k=st.integers(2, 6),
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=25),
)
def test_any_targets_and_predictions_agree_with_sklearn(k, rows):
    y = np.array([target % k for target, _ in rows])
    p = np.array([predicted % k for _, predicted in rows])
    predictions = Predictions(y, np.eye(k)[p], tuple(map(str, range(k))))
    scores = F1().compute(predictions).scores
    for name, reference in SKLEARN.items():
        assert scores[name] == pytest.approx(reference(y, p))
    found = RocAuc().compute(predictions).scores["roc_auc"]
    assert found == pytest.approx(sklearn_auc(y, predictions.probabilities), nan_ok=True)
