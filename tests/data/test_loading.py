"""The way of good data: cleaned, split, drawn, described."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebook.data import loading
from tunebook.data.cleaning import text_key
from tunebook.data.dataset import COLUMNS, SPLITS, Dataset
from tunebook.errors import DataError

Load = Callable[..., Dataset]
Rows = Callable[..., list[dict[str, Any]]]
GROUPED = {"kind": "grouped"}


def code_counts(dataset: Dataset) -> dict[str, int]:
    return {finding.code: finding.count for finding in dataset.findings}


def test_rows_become_a_data_set(load: Load, rows: Rows):
    dataset = load(rows(20), task={"id": "id"})
    assert list(dataset.rows.columns) == list(COLUMNS)
    assert dataset.classes == ("heart", "lung")
    assert {name: len(dataset.split(name)) for name in SPLITS} == {
        "train": 28,
        "validation": 6,
        "test": 6,
    }
    assert set(dataset.rows["origin"]) == {"original"}
    assert dataset.rows["source_id"].isna().all()
    assert sorted(dataset.rows["id"]) == sorted(row["id"] for row in rows(20))


def test_the_garbage_collector_is_as_it_was(load: Load, rows: Rows, monkeypatch):
    seen = []
    clean = loading.clean
    monkeypatch.setattr(loading, "clean", lambda *a: (seen.append(gc.isenabled()), clean(*a))[1])
    load(rows(20))
    assert gc.isenabled()
    with pytest.raises(DataError):
        load([])
    assert gc.isenabled()
    gc.disable()
    try:
        load(rows(20))
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert seen == [False, False, False]


def test_targets_are_positions_of_the_labels(load: Load, rows: Rows):
    dataset = load(rows(20, labels=("c", "a", "b")))
    targets = dataset.targets("test")
    assert targets.dtype == np.int64
    assert [dataset.classes[t] for t in targets] == dataset.split("test")["label"].tolist()
    pairs = zip(targets, dataset.texts("test"), strict=True)
    assert all(dataset.classes[target] in text for target, text in pairs)


def test_rows_are_numbered_from_one_without_an_id(load: Load, rows: Rows):
    dataset = load(rows(5))
    assert sorted(dataset.rows["id"], key=int) == [str(n) for n in range(1, 11)]


def test_an_unknown_split_is_a_mistake_of_the_program(load: Load, rows: Rows):
    with pytest.raises(KeyError, match="none of train"):
        load(rows(5)).split("tset")


def test_a_grouped_split_keeps_groups_whole(load: Load, rows: Rows):
    dataset = load(rows(40), split=GROUPED)
    assert dataset.grouped
    homes = dataset.rows.groupby("group")["split"].nunique()
    assert len(homes) == 40
    assert (homes == 1).all()
    assert dataset.groups("test").tolist() == dataset.split("test")["group"].tolist()


def test_without_groups_there_are_none(load: Load, rows: Rows):
    assert load(rows(5)).groups("test") is None


def test_a_share_of_train_becomes_validation_where_the_data_mark_none(load: Load, rows: Rows):
    named = [row | {"split": "test" if n % 4 == 0 else "train"} for n, row in enumerate(rows())]
    dataset = load(named, split={"kind": "given", "validation": 0.2}, task={"id": "id"})
    tested = {row["id"] for row in named if row["split"] == "test"}
    assert {*dataset.split("test")["id"]} == tested
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [24, 6, 10]
    again = load(named, split={"kind": "given", "validation": 0.2, "seed": 1}, task={"id": "id"})
    assert {*again.split("test")["id"]} == tested
    assert {*again.split("validation")["id"]} != {*dataset.split("validation")["id"]}


def test_a_given_split_is_followed(load: Load, rows: Rows):
    named = [row | {"part": SPLITS[n % 3]} for n, row in enumerate(rows(9))]
    dataset = load(named, split={"kind": "given", "column": "part"}, task={"id": "id"})
    wanted = {row["id"]: row["part"] for row in named}
    assert dict(zip(dataset.rows["id"], dataset.rows["split"], strict=True)) == wanted


def test_a_text_of_the_test_split_is_taken_out_of_training(load: Load, rows: Rows):
    named = [row | {"split": SPLITS[n % 3]} for n, row in enumerate(rows(9))]
    copy = next(row for row in named if row["split"] == "test")
    named.insert(0, copy | {"split": "train", "text": f" {copy['text'].upper()} "})
    dataset = load(named, split={"kind": "given"})
    assert code_counts(dataset) == {"data.duplicates": 1}
    assert copy["text"] in dataset.texts("test")
    assert text_key(copy["text"]) not in map(text_key, dataset.texts("train"))


def test_empty_cells_are_left_out_and_counted(load: Load, rows: Rows):
    holes = [{"text": None, "label": "heart"}, {"text": "  ", "label": "lung"}, {"text": "x"}]
    dataset = load([*rows(9), *holes])
    assert code_counts(dataset) == {"data.empty_text": 2, "data.empty_label": 1}
    assert {finding.level for finding in dataset.findings} == {"warning"}
    assert len(dataset.rows) == 18


def test_repeated_texts_are_kept_once(load: Load, rows: Rows):
    dataset = load([*rows(9), *(row | {"text": row["text"].upper()} for row in rows(2))])
    assert code_counts(dataset) == {"data.duplicates": 4}
    assert "4 rows that repeat another text were left out" in dataset.findings[0].text
    assert not any(text.isupper() for text in dataset.rows["text"])


def test_letter_case_of_any_language_makes_no_new_text(load: Load, rows: Rows):
    pair = [{"text": text, "label": "heart"} for text in ("Große Straße", "GROSSE STRASSE")]
    assert code_counts(load([*rows(9), *pair])) == {"data.duplicates": 1}


def test_texts_with_two_labels_are_left_out(load: Load, rows: Rows):
    both = [{"text": "who knows", "label": label} for label in ("heart", "lung", "heart")]
    dataset = load([*rows(9), *both])
    assert code_counts(dataset) == {"data.ambiguous_texts": 3}
    assert "who knows" not in set(dataset.rows["text"])


def test_rare_classes_can_be_dropped(load: Load, rows: Rows):
    rare = {"text": "alone", "label": "{skin}"}
    dataset = load([*rows(9), rare], task={"rare_classes": "drop"})
    assert dataset.classes == ("heart", "lung")
    assert code_counts(dataset) == {"data.rare_classes": 1}
    assert "`{skin}`" in dataset.findings[0].text


def test_labels_are_names_whatever_their_type(load: Load, rows: Rows):
    names = {"heart": 1, "lung": 2.0}
    numbered = [row | {"label": names[row["label"]]} for row in rows(5)]
    assert load(numbered).classes == ("1", "2")
    assert load([row | {"label": f" {row['label']}\n"} for row in rows(5)]).classes == (
        "heart",
        "lung",
    )


def test_a_budget_is_drawn_from_the_training_part_only(load: Load, rows: Rows):
    whole = load(rows(40), split=GROUPED)
    small = load(rows(40), split=GROUPED, train_per_class=5)
    assert Counter(small.split("train")["label"]) == {"heart": 5, "lung": 5}
    assert set(small.texts("train")) < set(whole.texts("train"))
    for name in ("validation", "test"):
        assert small.texts(name) == whole.texts(name)


def test_the_seed_of_the_case_moves_the_budget_but_not_the_split(load: Load, rows: Rows):
    first, again, other = (load(rows(40), train_per_class=5, seed=seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint
    assert first.texts("train") != other.texts("train")
    assert first.texts("test") == other.texts("test")


def test_a_budget_above_a_class_is_noted(load: Load, rows: Rows):
    dataset = load(rows(10), train_per_class=1000)
    assert code_counts(dataset) == {"data.short_classes": 2}
    assert len(dataset.split("train")) == 14


def test_limits_make_a_case_small_and_say_so(load: Load, rows: Rows):
    dataset = load(rows(40), limits={"train_rows": 7, "eval_rows": 3})
    assert [len(dataset.split(name)) for name in SPLITS] == [7, 3, 3]
    assert set(dataset.split("test")["label"]) == {"heart", "lung"}
    assert [f.code for f in dataset.findings] == ["data.limited"] * 3


def test_a_limit_below_the_classes_says_which_are_not_learnt(load: Load, rows: Rows):
    dataset = load(rows(20, labels="abcd"), limits={"train_rows": 2})
    assert dataset.classes == tuple("abcd")
    assert code_counts(dataset)["data.untrained_classes"] == 2


def test_the_fingerprint_knows_text_label_split_and_order(load: Load, rows: Rows):
    dataset = load(rows(10))
    assert len(dataset.fingerprint) == 64
    for column, value in (("text", "other"), ("label", "lung"), ("split", "test")):
        changed = dataset.rows.copy()
        changed.loc[0, column] = value
        assert Dataset(changed, dataset.classes, dataset.card).fingerprint != dataset.fingerprint
    assert Dataset(dataset.rows[::-1], dataset.classes, dataset.card).fingerprint != (
        dataset.fingerprint
    )
    renamed = dataset.rows.assign(id="x")
    assert Dataset(renamed, dataset.classes, dataset.card).fingerprint == dataset.fingerprint


def test_provenance_and_summary_are_json_that_adds_up(load: Load, rows: Rows):
    holes = [{"text": "", "label": "heart", "group": "g"}]
    dataset = load(
        [*rows(40), *holes],
        split=GROUPED,
        augmentation=[{"kind": "random_edit", "share": 0.5}],
    )
    kept = json.loads(json.dumps(dataset.provenance))
    assert kept["loaded"] == 81
    assert kept["dropped"] == {"data.empty_text": 1}
    assert kept["splits"] == {name: len(dataset.split(name)) for name in SPLITS}
    assert sum(kept["classes"]["heart"].values()) == sum(dataset.rows["label"] == "heart")
    assert kept["fingerprint"] == dataset.fingerprint
    assert kept["augmentation"][0]["share"] == 0.5
    summary = json.loads(json.dumps(dataset.summary()))
    assert summary["splits"] == kept["splits"]
    assert summary["words"]["max"] >= summary["words"]["median"] > 0


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.text(max_size=12), st.sampled_from(["x", "y"])), max_size=30),
    st.integers(0, 3),
)
def test_whatever_the_texts_no_text_is_on_two_sides(
    load: Load, rows: Rows, odd: list[tuple[str, str]], seed: int
):
    mixed = [{"text": text, "label": label} for text, label in odd]
    dataset = load(
        [*rows(20, labels="xy"), *mixed],
        split={"kind": "stratified", "seed": seed},
        augmentation=[{"kind": "random_edit", "share": 1}],
    )
    keys = [text_key(text) for text in dataset.rows["text"]]
    assert len(set(keys)) == len(keys) >= 40
    assert "" not in keys
