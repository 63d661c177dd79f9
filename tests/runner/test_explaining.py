"""Which words an answer hangs on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from tunebook.errors import ConfigError, DataError
from tunebook.export.explaining import MOST_PARTS, WORD, _parts, explain
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.schema import CaseSchema

HOST = PluginHost()


class Counting:
    """A model of two classes whose first is as probable as the text has the word `heart`."""

    classes = ("heart", "other")
    form = SimpleNamespace(decode=lambda logits: logits)

    def logits(self, texts: list[str], _pairs: Any = None) -> np.ndarray:
        share = np.array([0.9 if "heart" in text else 0.2 for text in texts])
        return np.stack([share, 1 - share], axis=1)


def test_the_word_that_matters_is_found() -> None:
    found = explain(Counting(), "pain of the heart, <mild>")  # type: ignore[arg-type]
    assert (found.target, found.value) == ("heart", 0.9)
    assert found.words[0] == ("heart,", pytest.approx(0.7))
    assert [fall for word, fall in found.words[1:]] == pytest.approx([0, 0, 0, 0])
    shown = found._repr_html_()
    assert "&lt;mild&gt;" in shown
    assert "<mild>" not in shown


def test_another_class_can_be_asked_about() -> None:
    found = explain(Counting(), "the heart", label="other")  # type: ignore[arg-type]
    assert dict(found.words)["heart"] == pytest.approx(-0.7)
    with pytest.raises(ConfigError, match="heart"):
        explain(Counting(), "the heart", label="haert")  # type: ignore[arg-type]


def test_scripts_without_spaces_come_apart() -> None:
    assert WORD.findall("酒店 very good很好") == ["酒", "店", "very", "good", "很", "好"]


@given(st.text())
def test_parts_cover_every_word_in_order(text: str) -> None:
    parts = _parts(text)
    assert len(parts) <= MOST_PARTS
    assert all(a[1] <= b[0] for a, b in pairwise(parts))
    left = "".join(text[begin:end] for begin, end in parts)
    assert "".join(WORD.findall(left)) == "".join(WORD.findall(text))


def test_a_trained_model_hangs_on_the_words_of_its_topic(tiny_bert: Path, tmp_path: Path) -> None:
    content = tiny.case_content(tiny_bert)
    content["training"] |= {"epochs": 6, "precision": "fp32"}
    case = CaseSchema(HOST).validate(content)
    run = run_case(case, HOST, runs_dir=tmp_path, listeners=[])
    topic = "heart"
    text = " ".join([tiny.FILLER[0], tiny.TOPICS[topic][0], tiny.FILLER[1]])
    found = run.explain(text, label=topic)
    (answer,) = run.classifier.predict([text])
    assert found.value == pytest.approx(answer["probabilities"][topic], abs=1e-4)
    assert found.words[0][0] == tiny.TOPICS[topic][0]
    with pytest.raises(DataError):
        run.explain("  ")
