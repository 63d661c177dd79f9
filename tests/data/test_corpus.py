"""What a model reads before the task: training texts or a corpus, never what it is judged by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny
from tunebook.data.corpus import load_corpus
from tunebook.data.loading import load_dataset
from tunebook.host import PluginHost
from tunebook.schema import CaseSchema

HOST = PluginHost()
SPLITS = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def pairs() -> list[dict[str, Any]]:
    """Returns eight pairs; a second text stands in two rows, 3 and 4 of different splits."""
    return [
        {
            "id": str(n),
            "text": f"first text number {n}",
            "other": f"second text {(n + 1) // 2}",
            "label": "ab"[n % 2],
            "split": split,
        }
        for n, split in enumerate(SPLITS)
    ]


def corpus_of(**changes: Any) -> Any:
    content = tiny.case_content(Path("nowhere")) | {
        "data": {"kind": "memory", "rows": pairs()},
        "task": {"text": "text", "pair": "other", "label": "label", "id": "id"},
        "split": {"kind": "given"},
        "pretraining": {"objective": "mlm", "epochs": 1},
    }
    case = CaseSchema(HOST).validate(content | changes)
    return load_corpus(case, HOST, load_dataset(case, HOST))


def test_both_texts_of_a_pair_are_read() -> None:
    corpus = corpus_of()
    assert [t for t in corpus.train if t.startswith("first")] == [
        f"first text number {n}" for n in range(4)
    ]
    assert [t for t in corpus.train if t.startswith("second")] == [
        f"second text {n}" for n in range(3)
    ]


def test_a_text_that_was_read_is_not_measured_on() -> None:
    assert corpus_of().held_out == ("first text number 4", "first text number 5", "second text 3")


def test_neither_text_of_a_judged_pair_is_read_from_a_corpus() -> None:
    texts = [row[name] for row in pairs() for name in ("text", "other")]
    rows = [{"text": text} for text in texts]
    corpus = corpus_of(corpus={"kind": "memory", "rows": rows})
    assert {*corpus.train, *corpus.held_out} == {
        *(f"first text number {n}" for n in range(4)),
        *(f"second text {n}" for n in range(2)),
    }
    assert corpus.left_out == len({*texts}) - 6
