"""From predictions to a report: intervals, baselines, paired differences, honest errors."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from example_results import CONFIG, METRICS, make_predictions, make_report
from tunebook.config import Bootstrap, EvaluationConfig
from tunebook.contracts import MetricResult, Predictions
from tunebook.errors import ConfigError, DataError, TrainingError
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.report import evaluate
from tunebook.records import EvalReport

SCORES = {
    "accuracy",
    "macro_f1",
    "weighted_f1",
    "macro_precision",
    "macro_recall",
    "roc_auc",
}
CLASSES = ("blood", "bone", "skin")


def with_unit(unit):
    return EvaluationConfig(bootstrap=Bootstrap(resamples=100, unit=unit))


def test_every_score_has_an_interval_that_holds_it(report):
    assert set(report.scores) == SCORES
    everything = [report.scores, *(b.scores for b in report.baselines)]
    estimates = [estimate for scores in everything for estimate in scores.values()]
    assert len(estimates) == 3 * len(SCORES)
    assert all(e.low <= e.value <= e.high for e in estimates)
    assert all(e.low < e.high for e in report.scores.values())


def test_the_macro_f1_is_the_one_of_sklearn(report):
    predictions = make_predictions(CLASSES)
    expected = f1_score(predictions.targets, predictions.predicted, average="macro")
    assert report.scores["macro_f1"].value == pytest.approx(expected)


def test_every_score_is_compared_with_every_baseline(report):
    assert {(c.against, c.score) for c in report.comparisons} == {
        (name, score) for name in ("majority", "tfidf") for score in SCORES
    }
    by_name = {b.name: b for b in report.baselines}
    for c in report.comparisons:
        apart = report.scores[c.score].value - by_name[c.against].scores[c.score].value
        assert c.difference.value == pytest.approx(apart)


def test_a_clear_lead_excludes_zero(report):
    leads = {c.against: c.difference for c in report.comparisons if c.score == "macro_f1"}
    assert leads["tfidf"].low > 0
    assert leads["majority"].low > leads["tfidf"].low


def test_identical_predictions_differ_by_nothing():
    same = make_predictions(CLASSES).probabilities
    report = make_report(baselines=[BaselinePredictions("twin", "Twin", same, 0.0)])
    differences = [c.difference for c in report.comparisons]
    assert len(differences) == len(SCORES)
    assert {(d.low, d.value, d.high) for d in differences} == {(0.0, 0.0, 0.0)}


def test_what_is_resampled_follows_the_split_unless_the_case_says_otherwise():
    groups = np.repeat(np.arange(24), 10)
    told = {
        (unit, grouped): make_report(groups=groups, grouped=grouped, config=with_unit(unit))
        for unit in ("auto", "row", "group")
        for grouped in (True, False)
    }
    found = {case: (report.resampled, report.units) for case, report in told.items()}
    assert found == {
        ("auto", True): ("group", 24),
        ("auto", False): ("row", 240),
        ("row", True): ("row", 240),
        ("row", False): ("row", 240),
        ("group", True): ("group", 24),
        ("group", False): ("group", 24),
    }


def test_groups_that_are_not_there_cannot_be_resampled():
    with pytest.raises(ConfigError) as caught:
        make_report(groups=None, config=with_unit("group"))
    assert caught.value.problems[0].code == "evaluation.no_groups"


def test_the_report_survives_json(report):
    content = json.dumps(report.model_dump(mode="json"), allow_nan=False)
    assert EvalReport.model_validate(json.loads(content)) == report


def test_support_per_class_and_confusion_add_up(report):
    assert sum(report.support.values()) == report.rows == 240
    assert [sum(row) for row in report.confusion] == list(report.support.values())
    assert set(report.per_class) == {"precision", "recall", "f1"}
    assert all(set(by_class) == set(CLASSES) for by_class in report.per_class.values())


def test_without_metrics_and_baselines_the_report_is_empty_but_valid():
    report = make_report(metrics=[], baselines=[])
    assert (report.scores, report.baselines, report.comparisons) == ({}, (), ())
    assert report.confusion is None


def test_a_score_that_is_not_defined_is_left_out():
    one_class = Predictions(np.zeros(5, dtype=int), np.full((5, 2), 0.5), ("a", "b"))
    report = evaluate(
        one_class,
        metrics=METRICS,
        baselines=[],
        groups=None,
        config=CONFIG,
        split="test",
        grouped=False,
        seed=0,
    )
    assert set(report.scores) == SCORES - {"roc_auc"}


@pytest.mark.parametrize("k", [2, 40])
def test_two_and_forty_classes_work(k):
    report = make_report(tuple(f"class {i}" for i in range(k)))
    assert np.shape(report.confusion) == (k, k)
    assert len(report.per_class["f1"]) == k
    assert report.scores["roc_auc"].value > 0.9


def test_no_rows_are_refused():
    nothing = Predictions(np.zeros(0, dtype=int), np.zeros((0, 2)), ("a", "b"))
    with pytest.raises(DataError) as caught:
        evaluate(
            nothing,
            metrics=METRICS,
            baselines=[],
            groups=None,
            config=CONFIG,
            split="test",
            grouped=False,
            seed=0,
        )
    assert caught.value.problems[0].code == "evaluation.no_rows"


def test_a_diverged_model_is_told_from_a_bad_one():
    broken = make_predictions(CLASSES)
    broken.probabilities[3] = np.nan
    with pytest.raises(TrainingError) as caught:
        evaluate(
            broken,
            metrics=METRICS,
            baselines=[],
            groups=None,
            config=CONFIG,
            split="test",
            grouped=False,
            seed=0,
        )
    assert caught.value.problems[0].code == "evaluation.not_finite"
    assert "1 of 240" in caught.value.problems[0].found


class Careless:
    """A metric that resamples too little."""

    def compute(self, _):
        return MetricResult({"careless": 1.0})

    def resample(self, _, __):
        return {"careless": np.ones(3)}


def test_a_metric_that_breaks_its_contract_is_named():
    with pytest.raises(TrainingError) as caught:
        make_report(metrics=[Careless()])
    assert caught.value.problems[0].code == "plugin.metric_contract"
    assert "careless" in caught.value.problems[0].where
