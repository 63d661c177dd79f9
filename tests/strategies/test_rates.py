"""Rates by layer and by pattern: every parameter is in one group, at the rate it should have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from preparing import changed, copies, prepare, run, trainable
from tunebook.contracts import Prepared
from tunebook.errors import ConfigError
from tunebook.export import load_classifier
from tunebook.models.load import load_backbone

RATES = {"learning_rate": 1e-3, "head_learning_rate": 5e-3, "weight_decay": 0.1}


def rate_of(prepared: Prepared) -> dict[str, float]:
    """Returns the rate of every parameter that is in a group."""
    names = {id(parameter): name for name, parameter in prepared.model.named_parameters()}
    pairs = [(names[id(p)], group["lr"]) for group in prepared.groups for p in group["params"]]
    assert len(pairs) == len(dict(pairs))
    assert {name for name, _ in pairs} == trainable(prepared.model)
    return dict(pairs)


def group_rates(prepared: Prepared) -> dict[str, float]:
    return {group["name"]: group["lr"] for group in prepared.groups}


@pytest.mark.parametrize("decay", [1.0, 0.8, 0.1])
def test_rates_fall_from_layer_to_layer(tiny_bert: Path, decay: float) -> None:
    prepared = prepare(tiny_bert, {"kind": "layerwise_decay", "decay": decay}, **RATES)
    assert len(rate_of(prepared)) == len(list(prepared.model.parameters()))
    expected = {
        "embeddings": 1e-3 * decay**3,
        "layer 1": 1e-3 * decay**2,
        "layer 2": 1e-3 * decay,
        "head": 5e-3,
    }
    vectors = {f"{name} vectors": rate for name, rate in expected.items()}
    assert group_rates(prepared) == pytest.approx(expected | vectors)


def test_a_final_norm_has_the_full_rate(tiny_gpt2: Path) -> None:
    prepared = prepare(tiny_gpt2, {"kind": "layerwise_decay", "decay": 0.5}, **RATES)
    assert group_rates(prepared)["top vectors"] == 1e-3
    assert group_rates(prepared)["embeddings"] == pytest.approx(1e-3 / 8)


def test_vectors_are_not_decayed(tiny_bert: Path) -> None:
    for strategy in ("layerwise_decay", "discriminative", "gradual_unfreezing", "freeze"):
        groups = prepare(tiny_bert, strategy, **RATES).groups
        assert len(groups) >= 4
        for group in groups:
            matrices = {parameter.ndim > 1 for parameter in group["params"]}
            assert matrices == {group["weight_decay"] == 0.1}
            assert group["name"].endswith("vectors") == (group["weight_decay"] == 0.0)


def test_without_a_head_rate_the_head_learns_like_the_top(tiny_bert: Path) -> None:
    prepared = prepare(tiny_bert, "layerwise_decay", learning_rate=1e-3, head_learning_rate=None)
    assert group_rates(prepared)["head"] == 1e-3


def test_lower_layers_move_less(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, {"kind": "layerwise_decay", "decay": 0.05})
    pretrained = dict(load_backbone(tiny_bert).named_parameters())
    moved = [
        max(
            float((parameter - pretrained[name]).detach().abs().max())
            for name, parameter in trained.classifier.model.backbone.named_parameters()
            if place in name
        )
        for place in ("embeddings.", "layer.0.", "layer.1.")
    ]
    assert 0 < 5 * moved[0] < moved[1]
    assert 5 * moved[1] < moved[2]


def discriminative(**rates: float) -> dict[str, Any]:
    return {"kind": "discriminative", "rates": rates}


def test_the_first_pattern_that_matches_wins(tiny_bert: Path) -> None:
    rates = {
        "*.layer.1.output": 1e-4,
        "backbone.encoder.layer.1": 2e-4,
        "backbone.encoder": 3e-4,
        "head": 4e-4,
    }
    by_name = rate_of(prepare(tiny_bert, discriminative(**rates), **RATES))
    assert by_name["backbone.encoder.layer.1.output.dense.weight"] == 1e-4
    # `attention.output` is not `layer.1.output`
    assert by_name["backbone.encoder.layer.1.attention.output.dense.weight"] == 2e-4
    assert by_name["backbone.encoder.layer.0.output.dense.weight"] == 3e-4
    assert by_name["head.linear.weight"] == 4e-4
    assert by_name["backbone.embeddings.word_embeddings.weight"] == 1e-3


def test_the_order_counts_also_when_the_case_is_read_again(tiny_bert: Path, tmp_path: Path) -> None:
    rates = {"backbone.encoder.layer.1": 1e-3, "backbone": 0.0, "head": 1e-3}
    trained = run(tiny_bert, tmp_path, discriminative(**rates))
    for model in (trained.classifier.model, load_classifier(trained.directory.model).model):
        learns = {name for name in trainable(model) if "backbone" in name}
        assert len(learns) == 16
        assert all(".layer.1." in name for name in learns)


def test_what_no_pattern_matches_has_the_rates_of_the_case(tiny_bert: Path) -> None:
    by_name = rate_of(prepare(tiny_bert, discriminative(**{"*.layer.0": 1e-5}), **RATES))
    assert by_name.pop("head.linear.weight") == by_name.pop("head.linear.bias") == 5e-3
    lower = {name for name, rate in by_name.items() if rate == 1e-5}
    assert len(lower) == 16
    assert {by_name[name] for name in by_name.keys() - lower} == {1e-3}


def test_a_rate_of_nothing_freezes(tiny_bert: Path) -> None:
    prepared = prepare(tiny_bert, discriminative(**{"backbone.embeddings": 0.0}), **RATES)
    names = {name for name, _ in prepared.model.named_parameters()}
    assert len(names - trainable(prepared.model)) == 5
    before = copies(prepared.model)
    optimizer = torch.optim.AdamW([dict(group) for group in prepared.groups])
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    prepared.model(input_ids=ids, attention_mask=torch.ones_like(ids)).sum().backward()
    optimizer.step()
    moved = changed(prepared.model, before)
    assert moved
    assert not {name for name in moved if "embeddings" in name}


def test_patterns_that_match_nothing_are_told(tiny_bert: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_bert, discriminative(**{"encoder.layer.1": 1e-4, "hed": 1e-4, "head": 1e-4}))
    first, second = caught.value.problems
    assert first.where == "strategy.rates"
    assert first.fix == "did you mean `backbone.encoder.layer.1`?"
    assert second.fix == "did you mean `head`?"


def test_a_model_in_which_nothing_learns_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_bert, discriminative(**{"*": 0.0}))
    assert caught.value.problems[0].where == "strategy.rates"


@pytest.mark.parametrize("rates", [{}, {"head": -1.0}, {"head": 11.0}])
def test_rates_out_of_bounds_are_refused(tiny_bert: Path, rates: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_bert, {"kind": "discriminative", "rates": rates})
    assert caught.value.problems[0].where.startswith("strategy.rates")
