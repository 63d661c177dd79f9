"""What runs take over from one another changes nothing but their time, and is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import tiny
from tunebook.cache import contents
from tunebook.cache.places import cache_root
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema

FROZEN = {"kind": "freeze", "layers": 1}
KINDS = {
    "feature_extraction": {"tokens": 3, "features": 3, "baselines": 1},
    "freeze": {"tokens": 3, "states": 3, "baselines": 1},
}


def run(folder: Path, runs: Path, **changes: Any) -> Run:
    content = tiny.case_content(folder, **changes)
    content["training"] = content["training"] | {"epochs": 1}
    return run_case(CaseSchema(PluginHost()).validate(content), runs_dir=runs, listeners=[])


def result(finished: Run) -> tuple[Any, ...]:
    """Returns the trained weights, the predictions and all scores, to the last bit."""
    weights = load_file(finished.directory.model / "trained.safetensors")
    predictions = finished.saved(finished.directory.predictions)
    report = finished.report.model_dump()
    for baseline in report["baselines"]:
        del baseline["seconds"], baseline["reused"]
    return (
        {name: tensor.tobytes() for name, tensor in weights.items()},
        predictions.to_dict("list"),
        report,
    )


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["feature_extraction", FROZEN], ids=[*KINDS])
def test_a_run_is_the_same_with_and_without_the_cache(
    strategy: Any, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fills, reads = (run(tiny_bert, tmp_path, strategy=strategy) for _ in range(2))
    monkeypatch.setenv("TUNEBOOK_CACHE_LIMIT_GB", "0")
    without = run(tiny_bert, tmp_path, strategy=strategy)
    assert result(fills) == result(reads) == result(without)
    assert (fills.record.reused, without.record.reused) == ((), ())
    found: dict[str, int] = {}
    for item in contents(cache_root()):
        found[item.entry.kind] = found.get(item.entry.kind, 0) + 1
    name = strategy if isinstance(strategy, str) else strategy["kind"]
    assert found == KINDS[name]
    assert {each.kind for each in reads.record.reused} == {*found}


@pytest.mark.slow
def test_what_was_reused_is_told(tiny_bert: Path, tmp_path: Path) -> None:
    first, again = (run(tiny_bert, tmp_path, seed=seed) for seed in (0, 1))
    ours, theirs = (
        next(b for b in each.report.baselines if b.name == "tfidf") for each in (first, again)
    )
    assert (ours.reused, theirs.reused) == (False, True)
    assert theirs.seconds == ours.seconds > 0
    notes = [event["text"] for event in again.events if event["type"] == "note"]
    assert any("from the cache" in note and ours.title in note for note in notes)
    assert not any("from the cache" in e.get("text", "") for e in first.events)


@pytest.mark.slow
def test_other_texts_labels_and_settings_are_not_taken_for_the_same(
    tiny_bert: Path, tmp_path: Path
) -> None:
    rows = tiny.rows()
    run(tiny_bert, tmp_path, strategy="feature_extraction")
    other = {"heart": "lung", "lung": "heart", "skin": "skin"}
    turned = [{**row, "label": other[row["label"]]} for row in rows]
    data = {"kind": "memory", "rows": turned}
    again = run(tiny_bert, tmp_path, strategy="feature_extraction", data=data)
    assert "baselines" not in {each.kind for each in again.record.reused}
    settings = run(tiny_bert, tmp_path, strategy="feature_extraction", text={"max_tokens": 17})
    kinds = {each.kind for each in settings.record.reused}
    assert kinds == {"features", "baselines"}  # the tokens are made anew, and are the same
