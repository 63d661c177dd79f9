"""The bundled sources: what they read, and the packaged data against their reference counts."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from tunebook.config import CaseConfig, GroupedSplit, PluginConfig, TaskConfig
from tunebook.contracts import SourceData
from tunebook.data.loading import load_dataset
from tunebook.errors import DataError, MachineError, TunebookError
from tunebook.host import PluginHost
from tunebook_plugins.datasources.icd10cm.impl import synonyms
from tunebook_plugins.datasources.licences.families import families, stem

Source = Callable[..., SourceData]
needs_icd = pytest.mark.skipif(
    importlib.util.find_spec("simple_icd_10_cm") is None, reason="needs tunebook[offline]"
)
needs_licences = pytest.mark.skipif(
    importlib.util.find_spec("licensedcode") is None, reason="needs tunebook[offline]"
)


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


@pytest.fixture
def read(host: PluginHost) -> Source:
    def load(kind: str, **options: Any) -> SourceData:
        config = host.get("datasource", kind).config(**options)
        return host.create("datasource", config).load()

    return load


def texts_of(source: SourceData) -> list[Any]:
    return source.rows["text"].tolist()


def test_all_sources_are_listed_with_described_fields(host: PluginHost):
    bundled = {"csv", "jsonl", "parquet", "hub", "memory", "icd10cm", "licences", "licence_rules"}
    assert bundled <= set(host.names("datasource"))
    for name in bundled:
        for field, info in host.get("datasource", name).config.model_fields.items():
            assert field == "kind" or info.description, f"{name}.{field}"


def test_memory_keeps_types_and_gaps(read: Source):
    source = read("memory", rows=({"text": "a", "n": 1}, {"text": "b"}), title="mine")
    assert texts_of(source) == ["a", "b"]
    assert source.rows["n"].tolist()[0] == 1
    assert source.rows["n"].isna().tolist() == [False, True]
    assert source.card.title == "mine"


def test_csv_cells_stay_text(read: Source, tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text('text,label\n"two\nlines, one ""cell""",NA\n007,None\n\n', encoding="utf-8")
    source = read("csv", path=str(file), licence="CC0-1.0")
    assert source.rows.to_dict("list") == {
        "text": ['two\nlines, one "cell"', "007"],
        "label": ["NA", "None"],
    }
    assert (source.card.title, source.card.licence) == ("a.csv", "CC0-1.0")
    assert source.card.source == str(file)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", "\ufefftext;label\r\nñ;b\r\n".encode()),
        ("utf-16", "text;label\nñ;b\n".encode("utf-16")),
        ("cp1252", "text;label\nñ;b".encode("cp1252")),
    ],
)
def test_csv_encodings_and_delimiters(read: Source, tmp_path: Path, encoding: str, content: bytes):
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    source = read("csv", path=str(file), encoding=encoding, delimiter=";")
    assert source.rows.to_dict("list") == {"text": ["ñ"], "label": ["b"]}


def test_the_index_that_pandas_writes_gets_a_name(read: Source, tmp_path: Path):
    file = tmp_path / "a.csv"
    pd.DataFrame({"text": ["a"], "label": ["b"]}).to_csv(file)
    assert list(read("csv", path=str(file)).rows) == ["column 1", "text", "label"]


def test_a_very_long_csv_cell(read: Source, tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("text,label\n" + "x" * 300_000 + ",b\n")
    assert [len(text) for text in texts_of(read("csv", path=str(file)))] == [300_000]


def test_jsonl_keeps_odd_line_ends_inside_texts(read: Source, tmp_path: Path):
    rows = [{"text": "a\u2028b\nc", "label": 1}, {"text": "d", "label": 2, "more": [1]}]
    file = tmp_path / "a.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\ufeff" + "\r\n".join(lines) + "\n\n", encoding="utf-8", newline="")
    source = read("jsonl", path=str(file))
    assert texts_of(source) == ["a\u2028b\nc", "d"]
    assert source.rows["label"].tolist() == [1, 2]


def test_parquet_round_trip(read: Source, tmp_path: Path):
    file = tmp_path / "part=1" / "a.parquet"  # the folder's name must not become a column
    file.parent.mkdir()
    frame = pd.DataFrame({"text": ["a", None], "label": pd.Categorical(["x", "y"])})
    frame.to_parquet(file)
    source = read("parquet", path=str(file))
    assert list(source.rows) == ["text", "label"]
    assert source.rows["label"].tolist() == ["x", "y"]
    assert source.rows["text"].isna().tolist() == [False, True]


def test_lists_in_a_parquet_column_are_no_text(host: PluginHost, tmp_path: Path):
    file = tmp_path / "a.parquet"
    pd.DataFrame({"text": [["a", "b"]] * 4, "label": ["x", "y"] * 2}).to_parquet(file)
    config = host.get("datasource", "parquet").config(path=str(file))
    with pytest.raises(DataError) as caught:
        load_dataset(case_on(config), host)
    assert [problem.code for problem in caught.value.problems] == ["data.not_text"]


def case_on(data: PluginConfig, **sections: Any) -> CaseConfig:
    nothing = PluginConfig(kind="unused")
    return CaseConfig(name="t", data=data, model=nothing, strategy=nothing, **sections)


# the hub, without a network


def hub_splits() -> datasets.DatasetDict:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    return datasets.DatasetDict(
        {
            name: datasets.Dataset.from_dict(
                {"text": [f"{name} a", f"{name} b"], "label": [0, last]}, features=features
            )
            for name, last in (("train", 1), ("dev", 1), ("test", -1))
        }
    )


def test_hub_splits_and_class_names_become_ours(read: Source, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def load(*args: Any, **options: Any) -> datasets.DatasetDict:
        calls.append((args, options))
        return hub_splits()

    monkeypatch.setattr(datasets, "load_dataset", load)
    source = read("hub", name="some/set", subset="en", revision="v1")
    assert calls == [(("some/set", "en"), {"revision": "v1"})]
    assert source.rows["split"].tolist() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert source.rows["label"].tolist()[:5] == ["neg", "pos", "neg", "pos", "neg"]
    assert pd.isna(source.rows["label"].iloc[5])
    assert (source.card.title, source.card.version) == ("some/set", "v1")


def test_hub_splits_can_be_chosen(read: Source, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: hub_splits())
    assert texts_of(read("hub", name="some/set", splits=("test",))) == ["test a", "test b"]
    with pytest.raises(DataError) as caught:
        read("hub", name="some/set", splits=("tset",))
    (problem,) = caught.value.problems
    assert (problem.code, problem.fix) == ("data.unknown_split", "did you mean `test`?")


@pytest.mark.parametrize(
    ("raised", "code", "exit_code"),
    [
        (ConnectionError("no route"), "environment.no_network", 6),
        (OSError("disk"), "environment.hub", 6),
        (FileNotFoundError("nothing"), "data.hub_unknown", 3),
        (datasets.exceptions.DatasetNotFoundError("who?"), "data.hub_unknown", 3),
        (ValueError("config name is missing"), "data.hub_unreadable", 3),
    ],
)
def test_what_goes_wrong_with_the_hub_is_one_sentence(
    read: Source, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str, exit_code: int
):
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(TunebookError) as caught:
        read("hub", name="some/set")
    (problem,) = caught.value.problems
    assert (problem.code, caught.value.exit_code) == (code, exit_code)
    assert problem.where == "data.name: `some/set`"
    assert str(raised) in problem.found
    assert problem.fix


def test_a_local_folder_in_the_layout_of_the_hub(
    read: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("train", "validation", "test"):
        pd.DataFrame({"text": [name], "label": ["x"]}).to_csv(folder / f"{name}.csv", index=False)
    source = read("hub", name=str(folder))
    assert texts_of(source) == source.rows["split"].tolist() == ["train", "validation", "test"]


# ICD-10-CM


@needs_icd
@pytest.mark.slow
def test_icd10cm_is_the_reference_data(host: PluginHost):
    config = host.get("datasource", "icd10cm").config()
    case = case_on(config, task=TaskConfig(id="id"), split=GroupedSplit())
    dataset = load_dataset(case, host)
    assert dataset.provenance["splits"] == {"train": 17_962, "validation": 3_845, "test": 3_606}
    assert dataset.findings == ()
    assert len(dataset.classes) == 18
    assert dataset.classes[8] == "09 Circulatory system"
    assert max(map(len, dataset.classes)) <= 26
    homes = dataset.rows.groupby("group")["split"].nunique()
    assert (homes == 1).all()
    assert len(homes) > 1000


@needs_icd
def test_icd10cm_rows(read: Source):
    source = read("icd10cm")
    rows = source.rows
    assert list(rows) == ["id", "text", "label", "group", "code", "kind"]
    assert rows["id"].is_unique
    cholera = rows[rows["code"] == "A00.0"].to_dict("records")
    assert [(row["id"], row["kind"]) for row in cholera] == [
        ("A00.0", "description"),
        ("A00.0+1", "inclusion"),
    ]
    assert {row["group"] for row in cholera} == {"A00"}
    assert source.synonyms["classical cholera"] == [cholera[0]["text"]]
    assert "Classical cholera" in source.synonyms[cholera[0]["text"].casefold()]
    assert source.card.licence
    assert "1.5.0" in source.card.version


@needs_icd
@pytest.mark.parametrize(
    ("options", "chapters", "kinds"),
    [
        ({"last_chapter": 22}, 22, {"description", "inclusion"}),
        ({"last_chapter": 2, "inclusion_terms": False}, 2, {"description"}),
    ],
)
def test_icd10cm_options(read: Source, options: Any, chapters: int, kinds: set[str]):
    rows = read("icd10cm", **options).rows
    assert rows["label"].nunique() == chapters
    assert set(rows["kind"]) == kinds


def test_synonyms_go_both_ways():
    table = synonyms([("Cold", ["Coryza", "cold"]), ("Other", []), ("Flu", ["Grippe", "Coryza"])])
    assert table == {
        "cold": ["Coryza"],
        "coryza": ["Cold", "Flu"],
        "flu": ["Grippe", "Coryza"],
        "grippe": ["Flu"],
    }


# licences


@pytest.fixture(scope="module")
def licences(host: PluginHost) -> SourceData:
    return host.create("datasource", host.get("datasource", "licences").config()).load()


@needs_licences
@pytest.mark.slow
def test_licences_are_the_reference_data(licences: SourceData):
    rows = licences.rows
    counts = Counter(rows["label"])
    assert len(rows) == 2251
    assert len(counts) == 10
    assert min(counts.values()) == counts["CLA"] == 17
    assert rows["key"].is_unique
    assert (rows["id"] == rows["key"]).all()
    assert (rows["group"] == rows["family"]).all()
    assert not rows["text"].str.startswith("key:").any()
    assert "CC-BY-4.0" in licences.card.licence


@needs_licences
@pytest.mark.slow
def test_licence_families_keep_variants_together(licences: SourceData):
    family = dict(zip(licences.rows["key"], licences.rows["family"], strict=True))
    assert family["gpl-2.0"] == family["gpl-3.0-plus"]
    assert family["mit"] != family["gpl-2.0"]
    assert 1400 < len(set(family.values())) < 1500


@pytest.mark.parametrize(
    ("key", "expected"),
    [("gpl-2.0-plus", "gpl"), ("cc-by-sa-4.0", "cc-by-sa"), ("mit", "mit"), ("x11-foo", "x11")],
)
def test_the_stem_of_a_key(key: str, expected: str):
    assert stem(key) == expected


def test_families_of_stems_and_of_near_copies():
    text = [*"abcdefghijklm"]
    words = [text, [*text[:-1], "z"], [*"nopqrst"], ["hm"], []]
    keys = ["alpha", "beta", "gamma-1.0", "gamma-2.0", "delta"]
    assert families(keys, words, 0.7) == ["alpha", "alpha", "gamma-1.0", "gamma-1.0", "delta"]
    assert families(keys, words, 1.0)[:2] == ["alpha", "beta"]


@needs_licences
@pytest.mark.slow
def test_licence_rules_have_two_labels_and_no_licence_too_many(host: PluginHost):
    config = host.get("datasource", "licence_rules").config()
    rows = host.create("datasource", config).load().rows
    assert len(rows) == 10_637
    assert {*rows["type"]} == {"notice", "reference", "tag", "text"}
    assert rows["category"].nunique() == 8
    assert rows["id"].is_unique
    assert rows["text"].str.len().min() == 10
    assert rows.groupby("group").size().max() == 30
    assert rows.groupby("group")["category"].nunique().max() == 1
    for label in ("type", "category"):
        assert rows.groupby(label)["group"].nunique().min() >= 20
    family = dict(zip(rows["key"], rows["family"], strict=True))
    assert family["gpl-2.0"] == family["gpl-3.0-plus"] != family["mit"]
    tag = rows[rows["text"].str.startswith("licenseId: ")]
    assert len(tag) > 100
    assert {*tag["type"]} == {"tag"}


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("icd10cm", "simple_icd_10_cm"),
        ("licences", "licensedcode"),
        ("licence_rules", "licensedcode"),
    ],
)
def test_a_missing_package_names_the_extra(
    read: Source, monkeypatch: pytest.MonkeyPatch, kind: str, module: str
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == module else find(name, *rest),
    )
    with pytest.raises(MachineError) as caught:
        read(kind)
    (problem,) = caught.value.problems
    assert (problem.code, caught.value.exit_code) == ("environment.missing_package", 6)
    assert module in problem.found
    assert problem.fix == 'pip install "tunebook[offline]"'
