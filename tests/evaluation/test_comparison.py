"""Two runs on the same texts: paired differences, and a refusal where they aren't the same."""

import numpy as np
import pandas as pd
import pytest

from example_results import CONFIG, METRICS, make_predictions
from tunebook.config import TaskConfig
from tunebook.errors import ConfigError
from tunebook.evaluation.comparison import compare
from tunebook.evaluation.predictions import predictions_frame
from tunebook.forms import form_of
from tunebook.host import PluginHost

CLASSES = ("blood", "bone", "skin")
FORM = form_of(TaskConfig(), CLASSES)
HOST = PluginHost()


def frame_of(predictions, groups=None):
    n = len(predictions.targets)
    rows = {
        "id": range(n),
        "text": [f"text {i}" for i in range(n)],
        "label": [CLASSES[target] for target in predictions.targets],
        "group": groups,
    }
    return predictions_frame(pd.DataFrame(rows), predictions, FORM)


def frames(groups=None):
    """Returns the tables of a good and of a weaker model on the same texts."""
    good = make_predictions(CLASSES)
    weak = make_predictions(CLASSES, skill=0.4)
    assert (good.targets == weak.targets).all()
    return frame_of(good, groups), frame_of(weak, groups)


def differences(ours, theirs):
    report = compare(ours, theirs, FORM, metrics=METRICS, config=CONFIG, seed=0)
    return report, {c.score: c.difference for c in report.comparisons}


def test_the_difference_is_that_of_the_scores_with_a_paired_interval():
    report, found = differences(*frames())
    (other,) = report.baselines
    assert len(found) == len(report.scores) >= 4
    for score, difference in found.items():
        here, there = report.scores[score], other.scores[score]
        assert difference.value == pytest.approx(here.value - there.value)
        assert 0 < difference.low <= difference.value <= difference.high
        # the same texts are hard for both: the two intervals together are wider
        assert difference.high - difference.low < (here.high - here.low) + (there.high - there.low)


def test_a_run_equals_itself_exactly():
    ours, _ = frames()
    _, found = differences(ours, ours)
    assert {(d.low, d.value, d.high) for d in found.values()} == {(0.0, 0.0, 0.0)}


def test_the_other_way_round_only_the_sign_changes():
    ours, theirs = frames()
    _, one = differences(ours, theirs)
    _, two = differences(theirs, ours)
    assert len(one) >= 4
    for score, difference in one.items():
        assert two[score].value == pytest.approx(-difference.value)
        assert two[score].low == pytest.approx(-difference.high)


def test_whole_groups_are_resampled_where_the_split_had_groups():
    groups = [f"group {n % 12}" for n in range(240)]
    report, _ = differences(*frames(groups))
    assert (report.resampled, report.units) == ("group", 12)
    assert differences(*frames())[0].resampled == "row"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.iloc[:-1],
        lambda frame: frame.iloc[::-1].reset_index(drop=True),
        lambda frame: frame.assign(label=np.roll(frame["label"], 1)),
        lambda frame: frame.rename(columns={"p:skin": "p:Skin"}),
    ],
    ids=["fewer", "another order", "other labels", "other classes"],
)
def test_runs_on_other_texts_are_not_compared(spoil):
    ours, theirs = frames()
    with pytest.raises(ConfigError) as caught:
        differences(ours, spoil(theirs))
    (problem,) = caught.value.problems
    assert problem.code == "run.not_comparable"
    assert "`split`" in problem.fix


OTHER_FORMS = {
    "multi_label": (
        [("blood",), (), ("blood", "skin"), ("bone",)] * 15,
        np.eye(4)[:, :3] * 0.9,
        ("f1", "roc_auc"),
    ),
    "regression": ([1.0, 2.5, -3.0, 4.0] * 15, np.array([[1.1], [2.0], [-1.0], [4.4]]), ("mae",)),
}


@pytest.mark.parametrize("kind", OTHER_FORMS)
def test_sets_and_numbers_are_compared_as_well(kind):
    labels, said, names = OTHER_FORMS[kind]
    form = form_of(TaskConfig(kind=kind), CLASSES if kind == "multi_label" else ())
    metrics = [
        HOST.create("metric", HOST.get("metric", name).config.model_validate({"kind": name}))
        for name in names
    ]
    rows = pd.DataFrame({"id": range(60), "text": "text", "label": labels, "group": None})
    outputs = np.tile(said, (15, 1))
    ours, theirs = (
        predictions_frame(rows, form.predictions(form.targets(labels), each), form)
        for each in (outputs, outputs * 0.5)
    )
    report = compare(ours, theirs, form, metrics=metrics, config=CONFIG, seed=0)
    found = {c.score: c.difference.value for c in report.comparisons}
    assert set(names) - {"f1"} <= set(found)
    for score, difference in found.items():
        there = report.baselines[0].scores[score].value
        assert difference == pytest.approx(report.scores[score].value - there)
    assert any(found.values())
