"""Frozen lower layers are computed once; nothing but the time may show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from tunebook.host import PluginHost
from tunebook.models.layers import blocks_of
from tunebook.models.load import load_backbone
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.training.prefix import Prefix

HOST = PluginHost()
TEXTS = ["heart valve acute", "skin rash mild with wound", "lung cough"]


def run(folder: Path, runs: Path, layers: int = 1, **training: Any) -> Run:
    content = tiny.case_content(folder, strategy={"kind": "freeze", "layers": layers})
    content["training"] |= training
    content["split"] = {"kind": "grouped"}
    # texts of unlike lengths, so that batches are padded
    rows = [
        row | {"text": f"{row['text']} mild" * (n % 3 + 1)} for n, row in enumerate(tiny.rows())
    ]
    content["data"] = {"kind": "memory", "rows": rows}
    return run_case(CaseSchema(HOST).validate(content), HOST, runs_dir=runs, listeners=[])


def losses(trained: Run) -> list[float]:
    return [event["loss"] for event in trained.events if event["type"] == "step"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny_bert", "tiny_gpt2"])
def test_losses_and_logits_are_those_without_the_cache(
    model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(model)
    cached, plain = (run(folder, tmp_path, cache_frozen=cache) for cache in (True, False))
    assert len(losses(cached)) > 10
    assert losses(cached) == pytest.approx(losses(plain), abs=1e-4)
    assert np.allclose(cached.classifier.logits(TEXTS), plain.classifier.logits(TEXTS), atol=1e-3)


@pytest.mark.slow
def test_a_head_on_cached_features_is_trained_as_on_the_frozen_backbone(
    tiny_bert: Path, tmp_path: Path
) -> None:
    cached, plain = (
        run(tiny_bert, tmp_path, layers=2, cache_frozen=cache) for cache in (True, False)
    )
    assert len(losses(cached)) > 10
    assert losses(cached) == pytest.approx(losses(plain), abs=1e-5)


@pytest.mark.slow
def test_tasks_that_share_a_backbone_share_its_frozen_layers(
    tiny_bert: Path, tmp_path: Path
) -> None:
    rows = [row | {"side": "ab"[n % 3 == 0]} for n, row in enumerate(tiny.rows())]
    content = tiny.case_content(tiny_bert, strategy={"kind": "freeze", "layers": 1})
    content |= {
        "data": {"kind": "memory", "rows": rows},
        "tasks": {"topic": {}, "side": {"task": {"label": "side"}}},
        "split": {"kind": "grouped"},
    }
    cached, plain = (
        run_case(
            CaseSchema(HOST).validate(
                content | {"training": content["training"] | {"cache_frozen": cache}}
            ),
            HOST,
            runs_dir=tmp_path,
            listeners=[],
        )
        for cache in (True, False)
    )
    assert any("computed once and kept on disk" in str(event) for event in cached.events)
    assert len(losses(cached)) > 10
    assert losses(cached) == pytest.approx(losses(plain), abs=1e-4)


def test_the_frozen_blocks_are_computed_once(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.bert.modeling_bert import BertLayer

    calls: list[Any] = []
    forward = BertLayer.forward

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(self)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(BertLayer, "forward", counted)
    trained = run(tiny_bert, tmp_path, epochs=10)
    counts = sorted(calls.count(block) for block in set(calls))
    assert len(counts) == 2  # the model has two blocks
    assert counts[0] < counts[1] / 4
    assert counts[1] > trained.record.training["steps"]


def test_the_run_says_what_is_kept_and_how_much(tiny_bert: Path, tmp_path: Path) -> None:
    notes = [e["text"] for e in run(tiny_bert, tmp_path).events if e["type"] == "note"]
    assert any("lowest 1 of 2 layers" in note and "GB" in note for note in notes)


def test_a_cache_above_the_limit_is_not_made(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, cache_limit_gb=0)
    assert any("above training.cache_limit_gb" in str(e) for e in trained.events)
    assert not (tmp_path / "cache" / "states").exists()


@pytest.mark.slow
def test_windows_have_states_of_their_own(tiny_bert: Path, tmp_path: Path) -> None:
    content = tiny.case_content(tiny_bert, strategy={"kind": "freeze", "layers": 1})
    content["text"] = {"max_tokens": 8, "long_texts": "windows", "stride": 2}
    content["training"] |= {"evaluation_rows": 7}
    results = []
    for cache in (True, False):
        content["training"]["cache_frozen"] = cache
        case = CaseSchema(HOST).validate(content)
        results.append(run_case(case, HOST, runs_dir=tmp_path, listeners=[]))
    cached, plain = results
    assert losses(cached) == pytest.approx(losses(plain), abs=1e-4)


@pytest.mark.slow
def test_a_model_that_cannot_be_skipped_is_trained_without_the_cache(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prefix, "_enter", lambda *_: None)  # states never get in
    trained = run(tiny_bert, tmp_path)
    assert any("same logits" in str(event) for event in trained.events)
    plain = run(tiny_bert, tmp_path, cache_frozen=False)
    assert losses(trained) == pytest.approx(losses(plain), abs=1e-4)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_all_blocks_or_none_are_no_prefix(tiny_bert: Path, count: int) -> None:
    backbone = load_backbone(tiny_bert)
    with pytest.raises(ValueError, match="no prefix"):
        Prefix(backbone, blocks_of(backbone), count)
