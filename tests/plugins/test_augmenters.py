from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tunebook.contracts import AugmentationContext, Augmenter
from tunebook.errors import DataError
from tunebook.host import PluginHost
from tunebook_plugins.augmenters.back_to_synonyms.impl import BackToSynonyms
from tunebook_plugins.augmenters.back_to_synonyms.plugin import BackToSynonymsConfig
from tunebook_plugins.augmenters.random_edit.impl import RandomEdit
from tunebook_plugins.augmenters.random_edit.plugin import RandomEditConfig

EDITS = ("swap", "deletion", "typo", "whitespace", "truncation")
TEXT = "acute pain in the left lower leg"


def context(
    seed: int = 0, synonyms: Mapping[str, Sequence[str]] | None = None
) -> AugmentationContext:
    return AugmentationContext(np.random.default_rng(seed), synonyms or {})


def only(edit: str, probability: float = 1.0) -> RandomEdit:
    return RandomEdit(RandomEditConfig(**{**dict.fromkeys(EDITS, 0.0), edit: probability}))


def edits(augmenter: Augmenter, text: str = TEXT, count: int = 50) -> list[str]:
    made = (augmenter.augment(text, context(seed)) for seed in range(count))
    return [text for text in made if text is not None]


def test_both_are_found_through_their_entry_points():
    host = PluginHost()
    for name in ("random_edit", "back_to_synonyms"):
        config = host.get("augmenter", name).config()
        assert isinstance(host.create("augmenter", config), Augmenter)
        assert config.share == 1.0


@pytest.mark.parametrize("share", [-0.1, 5.1])
@pytest.mark.parametrize("config", [RandomEditConfig, BackToSynonymsConfig])
def test_share_is_bounded(config: Callable[..., Any], share: float):
    with pytest.raises(ValidationError):
        config(share=share)


# random edits


def test_swap_keeps_the_words():
    made = edits(only("swap", 0.5))
    assert len(made) > 40
    assert all(Counter(text.split()) == Counter(TEXT.split()) for text in made)


def test_deletion_leaves_words_out_but_not_all():
    made = edits(only("deletion", 0.5))
    assert all(
        0 < len(text.split()) < 7 and set(text.split()) <= set(TEXT.split()) for text in made
    )
    assert len(edits(only("deletion", 1.0))) == 50


def test_typo_changes_letters_by_one_at_most_for_each_word():
    made = edits(only("typo"))
    assert len(made) > 40
    for text in made:
        words = text.split()
        assert len(words) == 7
        pairs = list(zip(words, TEXT.split(), strict=True))
        assert all(abs(len(new) - len(old)) <= 1 for new, old in pairs)
        assert any(new != old for new, old in pairs)


def test_whitespace_changes_nothing_else():
    made = edits(only("whitespace", 0.5))
    assert len(made) > 40
    assert all("".join(text.split()) == TEXT.replace(" ", "") for text in made)
    assert any("  " in text for text in made)


def test_truncation_keeps_at_least_half():
    made = edits(only("truncation"))
    assert len(made) == 50
    assert all(TEXT.startswith(text) and 4 <= len(text.split()) <= 6 for text in made)


@pytest.mark.parametrize("text", ["", " ", "two words"])
def test_short_texts_are_left_alone(text: str):
    assert RandomEdit(RandomEditConfig(typo=1)).augment(text, context()) is None


def test_no_edit_gives_nothing():
    assert edits(only("swap", 0.0)) == []


@given(st.text(max_size=200), st.integers(0, 100))
def test_any_text_gives_none_or_text_and_only_the_generator_decides(text: str, seed: int):
    augmenter = RandomEdit(RandomEditConfig(**dict.fromkeys(EDITS, 0.5)))
    made = augmenter.augment(text, context(seed))
    assert made == augmenter.augment(text, context(seed))
    assert made is None or (made.strip() and made != text)


# synonyms

TABLE = {
    "heart attack": ["Myocardial infarction"],
    "heart": ["Cardiac organ"],
    "attack": ["Assault"],
    "leg": ["Lower limb"],
}


def replaced(text: str, table: Mapping[str, Sequence[str]] = TABLE, **options: Any) -> str | None:
    augmenter = BackToSynonyms(BackToSynonymsConfig(**options))
    return augmenter.augment(text, context(0, table))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HEART attack", "Myocardial infarction"),
        ("old Heart Attack, healed", "old Myocardial infarction, healed"),
        ("the (heart) beats", "the (Cardiac organ) beats"),
        ("hearty legs", None),
        ("", None),
        ("İ heart", "İ Cardiac organ"),  # casefold makes this letter two
    ],
)
def test_the_longest_phrase_on_word_boundaries_is_replaced(text: str, expected: str | None):
    assert replaced(text) == expected


def test_what_is_matched_can_be_chosen():
    assert replaced("heart attack", match="whole") == "Myocardial infarction"
    assert replaced("a heart attack", match="whole") is None
    assert replaced("heart attack", match="phrases") == "Myocardial infarction"


def test_replacements_are_bounded():
    table = {f"w{n}": [f"x{n}"] for n in range(9)}
    text = " ".join(table)
    assert replaced(text, table, max_replacements=3).count("x") == 3
    assert replaced(text, table, max_replacements=100) == text.replace("w", "x")


@given(st.text(alphabet="heart tack leg\n", max_size=60), st.integers(0, 9))
def test_what_stands_around_a_phrase_stays(text: str, seed: int):
    made = BackToSynonyms(BackToSynonymsConfig()).augment(text, context(seed, TABLE))
    assert made is None or made != text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "term,synonym\nHeart,Pump\nheart,Pump\nheart,HEART\nleg,\n"),
        ("t.csv", "\ufeffnote,synonym,term\n,Pump,heart\n"),
        ("t.json", json.dumps({"Heart": ["Pump", "heart"], "leg": []})),
        ("t.json", json.dumps({"heart": "Pump"})),
        ("t.json", json.dumps([{"term": "heart", "synonym": "Pump"}])),
    ],
)
def test_a_table_of_ones_own(tmp_path: Path, name: str, content: str):
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    # the table of the source is not used beside it
    assert replaced("heart and attack", path=str(file)) == "Pump and attack"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("t.csv", "a,b\n1,2\n", "columns a, b"),
        ("t.csv", "", "columns (none)"),
        ("t.csv", "term,synonym\n", "none"),
        ("t.json", "{", "Expecting"),
        ("t.json", "5", "5"),
        ("t.json", '{"a": [1]}', "1"),
        ("t.json", "[1]", "None"),
        ("t.json", "{}", "none"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, name: str, content: str, found: str):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(DataError) as caught:
        replaced("heart", path=str(file))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("augmenter.table", str(file))
    assert caught.value.exit_code == 3
    assert found in problem.found
    assert problem.fix


def test_a_missing_table_names_its_neighbour(tmp_path: Path):
    (tmp_path / "terms.csv").write_text("term,synonym\na,b\n")
    with pytest.raises(DataError) as caught:
        replaced("heart", path=str(tmp_path / "trems.csv"))
    assert caught.value.problems[0].fix == "did you mean `terms.csv`?"


def test_a_source_without_a_table():
    with pytest.raises(DataError) as caught:
        replaced("heart", {})
    (problem,) = caught.value.problems
    assert problem.code == "augmenter.no_synonyms"
    assert "`path`" in problem.fix
