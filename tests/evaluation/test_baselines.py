"""Baselines are fitted on the training texts and nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from tunebook.config import TaskConfig
from tunebook.evaluation.baselines import fit_baselines
from tunebook.forms import form_of

TEXTS = [
    "fracture of the left arm",
    "fracture of the right leg",
    "broken bone of the hand",
    "broken rib",
    "rash on the skin",
    "itching skin with rash",
    "skin lesion",
]
TARGETS = np.array([0, 0, 0, 0, 1, 1, 1])
CLASSES = ("bone", "skin")


def fit(train, targets, test, classes, *arguments, **changes):
    form = form_of(TaskConfig(), classes)
    rows = ([(text,) for text in texts] for texts in (train, test))
    return fit_baselines(next(rows), targets, next(rows), form, *arguments, **changes)


def test_both_baselines_give_probabilities_in_the_order_asked_for():
    fitted = fit(TEXTS, TARGETS, ["a rash", "a fracture"], CLASSES, ["tfidf", "majority"])
    assert [b.name for b in fitted] == ["tfidf", "majority"]
    for baseline in fitted:
        assert baseline.outputs.shape == (2, 2)
        assert baseline.outputs.sum(axis=1) == pytest.approx([1, 1], abs=1e-6)
        assert baseline.seconds >= 0


def test_the_majority_baseline_gives_the_shares_of_the_training_texts():
    (majority,) = fit(TEXTS, TARGETS, ["x", "y"], CLASSES, ["majority"])
    assert majority.outputs == pytest.approx(np.array([[4 / 7, 3 / 7]] * 2))


@pytest.mark.parametrize("features", ["words", "words+characters"])
def test_tfidf_learns_from_words(features):
    (tfidf,) = fit(TEXTS, TARGETS, ["fracture of the rib", "a rash"], CLASSES, ["tfidf"], features)
    assert tfidf.outputs.argmax(axis=1).tolist() == [0, 1]


def test_only_characters_know_a_word_in_another_form():
    test = ["dermatitic rashes", "fractured bones"]
    told = {
        features: fit(TEXTS, TARGETS, test, CLASSES, ["tfidf"], features)[0]
        for features in ("words", "words+characters")
    }
    assert told["words+characters"].outputs.argmax(axis=1).tolist() == [1, 0]
    known = told["words"].outputs
    assert known[0] == pytest.approx(known[1])


def test_a_class_without_training_texts_gets_no_probability():
    (tfidf,) = fit(TEXTS, TARGETS * 2, ["a rash"], ("a", "b", "c"), ["tfidf"])
    assert tfidf.outputs[0, 1] == 0
    assert tfidf.outputs[0].argmax() == 2


def test_one_class_only_and_texts_without_words_fall_back_to_the_majority():
    (single,) = fit(TEXTS, TARGETS * 0, ["a rash"], CLASSES, ["tfidf"])
    assert single.outputs.tolist() == [[1.0, 0.0]]
    (wordless,) = fit(["!", "?", "…"], [0, 0, 1], ["!"], CLASSES, ["tfidf"], "words")
    assert wordless.outputs == pytest.approx(np.array([[2 / 3, 1 / 3]]))


def test_class_weights_lift_a_rare_class():
    texts = ["same words"] * 10
    targets = np.array([0] * 9 + [1])
    rare = {
        weights: fit(texts, targets, ["same words"], CLASSES, ["tfidf"], class_weights=weights)[
            0
        ].outputs[0, 1]
        for weights in ("none", "sqrt", "balanced")
    }
    assert rare["none"] < rare["sqrt"] < rare["balanced"]
    assert rare["balanced"] == pytest.approx(0.5, abs=0.02)


def test_the_same_texts_give_the_same_numbers():
    first, again = (fit(TEXTS, TARGETS, TEXTS, CLASSES, ["tfidf"])[0] for _ in range(2))
    assert (first.outputs == again.outputs).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=2, max_size=8))
def test_any_texts_can_be_learnt_from(texts):
    targets = np.arange(len(texts)) % 2
    for baseline in fit(texts, targets, texts, CLASSES):
        assert np.isfinite(baseline.outputs).all()
        assert baseline.outputs.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_tfidf_is_as_strong_as_the_reference_on_the_icd_split():
    rows = icd_rows()
    assert rows["split"].value_counts().to_dict() == {
        "train": 17_962,
        "validation": 3_845,
        "test": 3_606,
    }
    train, test = (rows[rows["split"] == name] for name in ("train", "test"))
    drawn = train.sample(frac=1, random_state=0).groupby("chapter").head(128)
    assert len(drawn) == 18 * 128
    (tfidf,) = fit(
        drawn["text"].tolist(),
        drawn["chapter"].to_numpy(),
        test["text"].tolist(),
        tuple(map(str, range(18))),
        ["tfidf"],
    )
    macro = f1_score(test["chapter"], tfidf.outputs.argmax(axis=1), average="macro")
    assert macro == pytest.approx(0.63, abs=0.03)  # the draw of 128: five gave 0.613 to 0.650


def icd_rows():
    """The reference split of the design notes, made without the plugin that it also checks."""
    import random

    icd = pytest.importorskip("simple_icd_10_cm")
    rows, seen = [], set()
    for code in icd.get_all_codes(with_dots=False):
        if icd.is_chapter(code) or icd.is_block(code) or len(code) > 5:
            continue
        chapter = int(icd.get_ancestors(code)[-1])
        for text in [icd.get_description(code), *icd.get_inclusion_term(code)]:
            if chapter <= 18 and text.lower() not in seen:
                seen.add(text.lower())
                rows.append((text, chapter - 1, code[:3]))
    frame = pd.DataFrame(rows, columns=["text", "chapter", "group"])
    groups = sorted(set(frame["group"]))
    random.Random(0).shuffle(groups)
    cut = int(0.15 * len(groups))
    place = dict.fromkeys(groups, "train")
    place |= dict.fromkeys(groups[:cut], "test") | dict.fromkeys(
        groups[cut : 2 * cut], "validation"
    )
    return frame.assign(split=frame["group"].map(place))
