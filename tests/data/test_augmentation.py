from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tunebook.config import PluginConfig
from tunebook.contracts import AugmentationContext
from tunebook.data.augmentation import augment
from tunebook.data.dataset import COLUMNS, Dataset
from tunebook.errors import ConfigError

Load = Callable[..., Dataset]
Rows = Callable[..., list[dict[str, Any]]]


class Config(PluginConfig):
    kind: str = "number"
    share: float = 1.0


class Numbered:
    """Appends a number; every text it makes is new."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def augment(self, text: str, context: AugmentationContext) -> str | None:
        self.seen.append(text)
        return f"{text} {int(context.rng.integers(10**9))}"


class Constant:
    def __init__(self, result: Any) -> None:
        self.result = result

    def augment(self, *_: Any) -> Any:
        return self.result


def train(count: int = 10) -> pd.DataFrame:
    rows = [
        (f"r{n}", f"text {n}", "ab"[n % 2], "train", None, "original", None) for n in range(count)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def run(*steps: Any, seed: int = 0, forbidden: frozenset[str] = frozenset()) -> Any:
    return augment(train(), steps, seed=seed, synonyms={}, forbidden=forbidden)


@pytest.mark.parametrize(("share", "added"), [(0, 0), (0.5, 5), (1, 10), (2.3, 23)])
def test_share_is_new_rows_per_training_row(share: float, added: int):
    rows, (step,), findings = run((Config(share=share), Numbered()))
    assert len(rows) == 10 + added
    assert (step["wanted"], step["added"], step["share"]) == (added, added, added / 10)
    assert findings == []


def test_new_rows_know_where_they_came_from():
    rows, _, _ = run((Config(share=2), Numbered()))
    new = rows[rows["origin"] == "number"].to_dict("records")
    old = {row["id"]: row for row in rows[rows["origin"] == "original"].to_dict("records")}
    assert len(new) == 20
    for row in new:
        parent = old[row["source_id"]]
        assert row["text"].startswith(parent["text"])
        assert (row["label"], row["split"]) == (parent["label"], "train")
    assert rows["id"].is_unique
    assert pd.Series([row["source_id"] for row in new]).value_counts().eq(2).all()


def test_every_augmenter_starts_from_the_original_rows():
    second = Numbered()
    run((Config(), Numbered()), (Config(kind="again"), second))
    assert set(second.seen) == set(train()["text"])


def test_the_seed_decides():
    def texts(seed: int) -> list[str]:
        return run((Config(), Numbered()), seed=seed)[0]["text"].tolist()

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_known_and_forbidden_texts_are_never_made():
    for result in ("TEXT 3", " text 4 ", "Secret", "", "  ", None):
        rows, (step,), findings = run((Config(), Constant(result)), forbidden=frozenset({"secret"}))
        assert len(rows) == 10
        assert step["added"] == 0
        assert [f.code for f in findings] == ["augmentation.short"]


def test_one_text_is_made_once():
    rows, _, findings = run((Config(), Constant("new")))
    assert rows["text"].tolist().count("new") == 1
    assert findings[0].text == "`number` had new texts for 1 of the 10 rows asked for"


def test_a_result_that_is_not_text():
    with pytest.raises(ConfigError) as caught:
        run((Config(), Constant(None)), (Config(), Constant(5)))
    (problem,) = caught.value.problems
    assert problem.code == "augmenter.result"
    assert problem.where == "augmentation.1 (`number`)"
    assert problem.found == "5"


def test_only_the_training_split_grows(load: Load, rows: Rows):
    plain = load(rows(30))
    grown = load(rows(30), augmentation=[{"kind": "random_edit", "share": 2, "typo": 0.5}])
    assert len(grown.split("train")) == 3 * len(plain.split("train"))
    for name in ("validation", "test"):
        assert grown.texts(name) == plain.texts(name)
        assert set(grown.split(name)["origin"]) == {"original"}
    held_out = {text.casefold() for name in ("validation", "test") for text in plain.texts(name)}
    assert not held_out & {text.casefold() for text in grown.texts("train")}
    assert grown.fingerprint != plain.fingerprint


def test_texts_that_a_limit_took_out_of_the_test_split_stay_forbidden(
    load: Load, rows: Rows, tmp_path: Path
):
    data = rows(30)
    whole = load(data)
    held_out = {text for name in ("validation", "test") for text in whole.texts(name)}
    # a step that can make nothing but held-out texts, which the limit has hidden
    table = {text: sorted(held_out) for text in whole.texts("train")}
    file = tmp_path / "table.json"
    file.write_text(json.dumps(table))
    grown = load(
        data,
        limits={"eval_rows": 2},
        augmentation=[{"kind": "back_to_synonyms", "path": str(file), "match": "whole"}],
    )
    assert len(grown.split("test")) == 2
    assert grown.provenance["augmentation"][0]["added"] == 0
    assert not held_out & set(grown.texts("train"))
